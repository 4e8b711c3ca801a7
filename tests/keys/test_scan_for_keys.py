from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from keys.finding import LONGEST_LINE, search
from keys.models import Key, ShareLink
from keys.secret import AFFILIATE_PREFIX, new_secret
from partners.models import Partner
from tests.conftest import SETUP


def scan(*paths: object) -> str:
    output = io.StringIO()
    call_command("scan_for_keys", *map(str, paths), stdout=output)
    return output.getvalue()


@pytest.fixture
def revoked(acme: Partner) -> str:
    key, secret = Key.issue(partner=acme, label="Old import", by=SETUP)
    key.revoke(by=SETUP)
    return secret


def test_it_says_where_a_key_stands_and_whose_it_is(revoked: str, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "import.py").write_text(f"# nightly\nKEY = '{revoked}'\n")

    said = scan(tmp_path)

    assert f"import.py:2: lk_aff_…{revoked[-4:]} “Old import”, of Acme Media: revoked" in said
    assert "1 key found." in said
    assert revoked not in said


def test_a_live_key_ends_the_command_with_an_error(acme_key: tuple[Key, str], tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text(f"{acme_key[1]} {acme_key[1]}")
    output = io.StringIO()

    with pytest.raises(CommandError, match="2 keys found, 2 of them live") as ended:
        call_command("scan_for_keys", str(file), stdout=output)

    assert ended.value.returncode == 1
    assert acme_key[1] not in output.getvalue()


def test_a_one_time_link_is_found_as_its_key_is(acme_key: tuple[Key, str], tmp_path: Path) -> None:
    link, token = ShareLink.make(acme_key[0], by=SETUP)
    (tmp_path / "mail.eml").write_text(f"Open https://latchkey.example/shared/{token}/")
    output = io.StringIO()

    with pytest.raises(CommandError, match="1 key found, 1 of them live"):
        call_command("scan_for_keys", str(tmp_path), stdout=output)
    link.view(by=SETUP)
    afterwards = scan(tmp_path)

    hint = acme_key[0].hint
    assert f"lk_one_…{token[-4:]}, a one-time link to {hint} of Acme Media: still shows it" in output.getvalue()
    assert f"a one-time link to {hint} of Acme Media: shows nothing any more" in afterwards


def test_a_key_of_another_network_is_told_apart_from_text_that_only_looks_like_one(db: None, tmp_path: Path) -> None:
    file = tmp_path / "dump"
    stranger = new_secret(AFFILIATE_PREFIX)
    file.write_text(f"{stranger[:-1]}{'a' if stranger[-1] != 'a' else 'b'} {stranger}")

    said = scan(file)

    assert "no key of this network" in said
    assert "1 key found." in said


def test_standard_input_is_searched_too(revoked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"x\n{revoked}".encode())))

    assert "standard input:2: " in scan("-")


def test_a_path_that_is_not_there_is_named(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no .*nothing-here"):
        scan(tmp_path / "nothing-here")


def test_stores_of_version_control_and_links_are_left_out(revoked: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "packed").write_text(revoked)
    (tmp_path / "elsewhere").symlink_to(tmp_path / ".git" / "packed")

    assert scan(tmp_path) == "No keys found.\n"


def test_a_file_that_may_not_be_read_stops_nothing(
    revoked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("closed")
    (tmp_path / "b").write_text(revoked)
    open_file = Path.open

    def refusing(path: Path, *given: Any) -> Any:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return open_file(path, *given)

    monkeypatch.setattr(Path, "open", refusing)
    refused = io.StringIO()
    output = io.StringIO()
    call_command("scan_for_keys", str(tmp_path), stdout=output, stderr=refused)

    assert "a cannot be read: Permission denied." in refused.getvalue()
    assert "b:1: " in output.getvalue()


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_key_is_found_in_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    secret = new_secret(AFFILIATE_PREFIX)

    found = list(search("x", io.BytesIO(before + b" " + secret.encode() + b" " + after)))

    assert secret in [finding.secret for finding in found]
    assert found[-1].line == before.count(b"\n") + 1


@pytest.mark.parametrize("offset", [0, 1, 20, 44, 45, 46])
def test_a_key_across_two_pieces_of_a_long_line_is_found_once(offset: int) -> None:
    secret = new_secret(AFFILIATE_PREFIX)
    text = b"." * (LONGEST_LINE - offset) + secret.encode() + b"." * 100

    assert [finding.secret for finding in search("x", io.BytesIO(text))] == [secret]


def test_a_finding_does_not_give_the_key_away() -> None:
    secret = new_secret(AFFILIATE_PREFIX)

    assert secret not in repr(next(search("x", io.BytesIO(secret.encode()))))
