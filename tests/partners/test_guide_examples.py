"""Each example of the guide does what the guide says, run by its own tool against a running server."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from apilog.models import LoggedCall
from keys.models import Key
from partners.firehose import following
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Conversion
from partners.traffic.models.recording import Report, Source
from portal.guide import EXAMPLES, examples
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.traffic.conftest import clicked, converted

pytestmark = pytest.mark.django_db(transaction=True)

TOOLS = {".sh": "bash", ".py": sys.executable, ".mjs": "node", ".php": "php"}
# One of the days that the examples name. Others ask for the last weeks.
DAY = datetime(2026, 11, 15, 12, tzinfo=UTC)
FILES = sorted(file.name for file in EXAMPLES.iterdir())

Run = Callable[..., str]


def tool_for(file: str) -> str:
    """The path of what runs the file; skips the test without it, or fails where the tools are required."""
    name = TOOLS[Path(file).suffix]
    found = shutil.which(name) if shutil.which("curl") or not file.endswith(".sh") else None
    if found is None:
        if os.environ.get("LATCHKEY_REQUIRE_GUIDE_TOOLS"):
            pytest.fail(f"{name} is not here, and LATCHKEY_REQUIRE_GUIDE_TOOLS is set.")
        pytest.skip(f"{name} is not here.")
    return found


@pytest.fixture
def run(live_server: LiveServer, acme: Partner, network: Network, tmp_path: Path) -> Run:
    """``run("pages.py")``: what the example prints, with a new key of Acme's."""
    network.change(by=SETUP, budget_requests=1000)
    _, secret = Key.issue(partner=acme, label="Guide", by=SETUP)

    def ran(file: str, **replaced: str) -> str:
        for shown in (example for several in examples(live_server.url).values() for example in several):
            text = shown.text
            for old, new in replaced.items():
                text = text.replace(old, new)
            (tmp_path / shown.file).write_text(text)
        done = subprocess.run(
            [tool_for(file), file],
            cwd=tmp_path,
            env={**os.environ, "LATCHKEY_KEY": secret},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ran


@pytest.fixture
def offers(launch: Callable[..., Offer]) -> list[Offer]:
    return [launch(f"Offer {number}") for number in range(1, 6)]


@pytest.fixture
def traffic(acme: Partner, offers: list[Offer]) -> None:
    for day in (DAY, datetime.now(UTC) - timedelta(days=2)):
        for number in range(3):
            clicked(acme, offers[0], day, sub1="newsletter", country_code="US")
            converted(acme, offers[0], day, sub1="newsletter", order_id=f"A-{number}" if day == DAY else "")


def of(name: str) -> list[str]:
    return [file for file in FILES if Path(file).stem == name]


@pytest.mark.parametrize("file", of("first-call"))
def test_the_first_call_tells_who_calls(run: Run, file: str) -> None:
    assert "Acme Media" in run(file)


@pytest.mark.parametrize("file", of("latchkey"))
def test_what_the_other_examples_use_runs_by_itself(run: Run, file: str) -> None:
    assert ("Acme Media" in run(file)) is file.endswith(".sh")


@pytest.mark.parametrize("file", of("pages"))
def test_a_list_is_read_to_its_end(run: Run, offers: list[Offer], file: str) -> None:
    printed = run(file, **{"page_size=500": "page_size=2"})

    assert printed.splitlines() == [f"{offer.pk} {offer.name}" for offer in offers]
    assert LoggedCall.objects.filter(action="list_runnable_offers").count() == 3


@pytest.mark.parametrize("file", [*of("pages"), "latchkey.sh"])
def test_a_limit_that_is_spent_is_waited_for(run: Run, network: Network, offers: list[Offer], file: str) -> None:
    network.change(by=SETUP, budget_requests=1, budget_seconds=2)
    run("latchkey.sh")

    printed = run(file, **{"page_size=500": "page_size=3"})

    assert printed.count("Offer") == 5 or "Acme Media" in printed
    outcomes = set(LoggedCall.objects.values_list("outcome", flat=True))
    assert outcomes == {"ok", "rate_limited"}


@pytest.mark.parametrize("file", of("report"))
def test_a_report_is_asked_for(run: Run, traffic: None, file: str) -> None:
    printed = run(file)

    assert "Offer 1" in printed
    assert LoggedCall.objects.get().outcome == "ok"
    if not file.endswith(".sh"):
        assert printed.split()[-3:] == ["3", "3", "30.0"] or printed.split()[-3:] == ["3", "3", "30"]


@pytest.mark.parametrize("file", of("export"))
def test_conversions_are_exported(run: Run, traffic: None, tmp_path: Path, file: str) -> None:
    run(file)

    with (tmp_path / "conversions.csv").open(newline="") as exported:
        rows = list(csv.DictReader(exported))
    assert sorted(row["order_id"] for row in rows if row["order_id"]) == ["A-0", "A-1", "A-2"]


@pytest.mark.parametrize("file", of("firehose"))
def test_what_happens_is_followed_and_nothing_comes_twice_after_an_interruption(
    run: Run, acme: Partner, offers: list[Offer], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_SECONDS", 0.0)
    Firehose.enable(acme, by=SETUP)
    for sub1 in ("one", "two"):
        visit = clicked(acme, offers[0], datetime.now(UTC), sub1=sub1)
        Conversion.record(source=Source.of_visit(visit), report=Report(), by=SETUP)

    first = run(file, **{"while True": "for _ in range(2)"})
    Conversion.objects.get(sub1="two").reject(by=SETUP, reason="Returned.")
    second = run(file, **{"while True": "for _ in range(2)"})

    told = [line.split() for line in first.splitlines()]
    assert [[each[0], each[-1]] for each in told] == [
        ["conversion", "one"],
        ["conversion", "two"],
        ["It", "time"],
        ["It", "time"],
    ]
    assert [line.split()[0] for line in second.splitlines()] == ["conversion_update", "It", "It"]


@pytest.mark.parametrize("file", of("stream"))
def test_clicks_are_streamed(run: Run, traffic: None, file: str) -> None:
    lines = run(file).splitlines()

    assert len(lines) >= 3
    assert all(line.endswith(" newsletter") for line in lines)


def test_every_example_is_run_by_a_test() -> None:
    # verify-push is run by tests/partners/push/test_pushing.py, with what was pushed.
    assert {Path(file).stem for file in FILES} == {
        "first-call",
        "latchkey",
        "pages",
        "report",
        "export",
        "stream",
        "firehose",
        "verify-push",
    }
