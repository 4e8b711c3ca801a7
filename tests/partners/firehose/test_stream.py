from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from apilog.models import LoggedCall
from keys.gate import Call as GateCall
from keys.models import Key, Window
from keys.networks import parse_network
from partners.firehose import following
from partners.firehose.cursor import Cursor
from partners.firehose.following import Ending, Following, Lines, ServerSentEvents
from partners.firehose.log import Forgotten, LoggedEvent, NotEnabled, postgres
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import OutboxEntry
from portal.network.models import Network
from portal.run import WEB_THREADS
from portal.web import streams
from portal.web.ids import new_id
from tests.conftest import SETUP
from tests.partners.traffic import arriving

PATH = "/v1/affiliates/firehose"
Call = Callable[..., Client]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Naps are short, and the key is looked at each time."""
    monkeypatch.setattr(following, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(following, "ASK_SECONDS", 0.0)
    yield
    assert streams.places_of_flows.taken == 0


@pytest.fixture
def client(network: Network, acme_key: tuple[Key, str], call: Call) -> Client:
    return call(acme_key[1])


class Listener:
    """A client that has opened the stream."""

    def __init__(self, answer: Any) -> None:
        assert answer.status_code == 200, answer.content
        self.answer = answer
        self._blocks = iter(answer)
        self._lines: list[bytes] = []

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *failure: object) -> None:
        self.answer.close()

    def line(self) -> dict[str, Any]:
        while not self._lines:
            self._lines += next(self._blocks).splitlines()
        line: dict[str, Any] = json.loads(self._lines.pop(0))
        return line

    def lines(self, number: int) -> list[dict[str, Any]]:
        return [self.line() for _ in range(number)]

    def rest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join([*self._lines, *self._blocks]).splitlines()]


def click(partner: Partner, offer: Offer, sub1: str) -> None:
    assert arriving.click(partner, offer, f"sub1={sub1}").status_code == 302


def test_events_come_as_they_are_committed_from_the_moment_of_opening(
    client: Client, firehose: Firehose, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    Firehose.enable(other_partner, by=SETUP)
    click(acme, offer, "before")

    with Listener(client.get(PATH)) as stream:
        first = stream.line()
        click(acme, offer, "one")
        click(other_partner, offer, "theirs")
        one = stream.line()
        click(acme, offer, "two")
        two = stream.line()

    assert stream.answer["Content-Type"] == "application/x-ndjson"
    assert first == {"cursor": "1-1", "type": "heartbeat"}
    assert [(event["cursor"], event["type"], event["data"]["sub1"]) for event in (one, two)] == [
        ("1-2", "click", "one"),
        ("1-3", "click", "two"),
    ]
    assert set(one) == {"cursor", "id", "type", "unix_timestamp", "data"}


def test_a_stream_goes_on_where_another_broke_off(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_AT_ONCE", 2)
    for number in range(7):
        click(acme, offer, str(number))

    with Listener(client.get(PATH, {"cursor": "beginning"})) as stream:
        first = stream.lines(4)[1:]
    with Listener(client.get(PATH, {"cursor": first[-1]["cursor"]})) as stream:
        second = stream.lines(5)[1:]

    assert [event["data"]["sub1"] for event in first + second] == [str(number) for number in range(7)]


def test_a_browser_gets_events_and_goes_on_by_the_id_of_the_last(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer
) -> None:
    for number in range(3):
        click(acme, offer, str(number))

    answer = client.get(PATH, {"cursor": "beginning"}, headers={"Accept": "text/event-stream", "Last-Event-ID": "1-1"})
    blocks = iter(answer)
    first, events = next(blocks), next(blocks)
    answer.close()

    assert answer["Content-Type"] == "text/event-stream"
    assert answer["X-Accel-Buffering"] == "no"
    assert first == b'id: 1-1\nevent: heartbeat\ndata: {"cursor": "1-1", "type": "heartbeat"}\n\n'
    told = [dict(line.split(b": ", 1) for line in event.split(b"\n")) for event in events.strip().split(b"\n\n")]
    assert [(event[b"id"], event[b"event"], json.loads(event[b"data"])["data"]["sub1"]) for event in told] == [
        (b"1-2", b"click", "1"),
        (b"1-3", b"click", "2"),
    ]


def test_opening_costs_one_call_and_has_its_row_before_the_first_byte_and_what_flows_costs_nothing(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer
) -> None:
    answer = client.get(PATH)
    row = LoggedCall.objects.get(pk=answer["X-Request-ID"])
    used = Window.objects.get(scope="network").used

    with Listener(answer) as stream:
        for number in range(20):
            click(acme, offer, str(number))
        told = stream.lines(21)

    after = LoggedCall.objects.get(pk=row.pk)
    assert (row.action, row.status, row.outcome, row.partner_id) == ("follow_firehose", 200, "ok", acme.pk)
    assert row.response_size == 0
    assert after.response_size >= len(json.dumps(told[1:], separators=(",", ":")))
    assert after.duration_us > row.duration_us
    assert used == Window.objects.get(scope="network").used == 1
    assert LoggedCall.objects.count() == 1


def test_a_stream_that_waits_holds_no_connection(client: Client, firehose: Firehose) -> None:
    with Listener(client.get(PATH)) as stream:
        stream.line()
        # It asks, finds nothing, and hands on an empty block.
        assert next(stream._blocks) == b""
        assert connection.connection is None


def ending_of(client: Client, meanwhile: Callable[[], object]) -> dict[str, Any]:
    with Listener(client.get(PATH)) as stream:
        stream.line()
        meanwhile()
        rest = stream.rest()
    assert [line["type"] for line in rest] == ["end"]
    return rest[0]


def test_revoking_the_key_ends_the_stream(client: Client, firehose: Firehose, acme_key: tuple[Key, str]) -> None:
    end = ending_of(client, lambda: acme_key[0].revoke(by=SETUP))

    assert (end["reason"], end["cursor"]) == ("key", "1-0")
    assert client.get(PATH).status_code == 401


def test_a_key_that_expires_ends_the_stream(client: Client, firehose: Firehose, acme_key: tuple[Key, str]) -> None:
    end = ending_of(client, lambda: Key.objects.filter(pk=acme_key[0].pk).update(expires_at="2020-01-01T00:00Z"))

    assert end["reason"] == "key"


def test_taking_the_address_off_the_allowlist_ends_the_stream(
    client: Client, firehose: Firehose, acme_key: tuple[Key, str]
) -> None:
    acme_key[0].allow(network=parse_network("127.0.0.1"), label="", by=SETUP)
    entry = acme_key[0].allowlist.get()

    def move() -> None:
        acme_key[0].allow(network=parse_network("203.0.113.0/24"), label="", by=SETUP)
        acme_key[0].disallow(entry, by=SETUP)

    assert ending_of(client, move)["reason"] == "address"


def test_disabling_the_firehose_ends_the_stream_and_enabling_it_anew_does_too(
    client: Client, firehose: Firehose, acme: Partner
) -> None:
    def anew() -> None:
        firehose.disable(by=SETUP)
        Firehose.enable(acme, by=SETUP)

    assert ending_of(client, anew)["reason"] == "disabled"
    end = ending_of(client, lambda: Firehose.objects.get().disable(by=SETUP))

    assert (end["reason"], end["error"]) == ("disabled", Ending.DISABLED.sentence)
    answer = client.get(PATH)
    assert (answer.status_code, answer.json()["error"]) == (
        403,
        "The Firehose is not enabled for you. Your account manager can enable it.",
    )


def test_a_stream_ends_after_half_an_hour_with_all_that_it_had_to_tell(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_SECONDS", 0.0)
    click(acme, offer, "one")

    with Listener(client.get(PATH, {"cursor": "beginning"})) as stream:
        told = stream.rest()

    assert [(line["type"], line["cursor"]) for line in told] == [
        ("heartbeat", "1-0"),
        ("click", "1-1"),
        ("end", "1-1"),
    ]
    assert told[-1]["reason"] == "time"


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("nonsense", 400, "it is none of ours"),
        ("1-99999999999999999999", 400, "it is none of ours"),
        ("2-4", 400, "there is no such event yet"),
        ("3-0", 400, "there is no such event yet"),
        ("1-1", 410, "the Firehose has been disabled since"),
        ("2-0", 410, "kept no longer. Begin with cursor=2-1, the oldest that is"),
    ],
)
def test_a_cursor_that_nothing_can_follow_is_refused_with_the_reason(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer, asked: str, status: int, said: str
) -> None:
    click(acme, offer, "of the first run")
    firehose.disable(by=SETUP)
    Firehose.enable(acme, by=SETUP)
    for number in range(3):
        click(acme, offer, str(number))
    assert postgres.last(acme.pk) == Cursor(2, 3)
    Firehose.objects.update(forgotten_seq=1)

    by_parameter = client.get(PATH, {"cursor": asked})
    by_header = client.get(PATH, headers={"Last-Event-ID": asked})

    for answer in (by_parameter, by_header):
        assert answer.status_code == status
        assert said in answer.json()["error"]
    assert LoggedCall.objects.filter(status=status, outcome="bad_request").count() == 2


def test_a_third_stream_of_a_partner_waits_for_a_place(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer
) -> None:
    with Listener(client.get(PATH)), Listener(client.get(PATH)):
        third = client.get(PATH)
        assert (third.status_code, third["Retry-After"]) == (429, "5")
        assert "2 of your Firehose streams are still being read" in third.json()["error"]
        # Exports have places of their own, and so has everybody else's stream.
        assert streams.places.taken == 0

    with Listener(client.get(PATH)):
        assert streams.places_of_flows.taken == 1


def test_all_places_together_leave_threads_for_everything_else() -> None:
    assert WEB_THREADS - streams.FLOWS_AT_ONCE - streams.AT_ONCE >= 12


def test_a_head_request_opens_nothing(client: Client, firehose: Firehose) -> None:
    answer = client.head(PATH)

    assert (answer.status_code, answer.getvalue()) == (200, b"")
    assert streams.places_of_flows.taken == 0


class Endless:
    """A log of events that never ends, or fails."""

    def __init__(self, *says: list[LoggedEvent] | Exception) -> None:
        self._says = list(says)

    def last(self, partner_id: int) -> Cursor:
        return Cursor(1, 0)

    oldest = last

    def read(self, partner_id: int, after: Cursor, most: int) -> list[LoggedEvent]:
        said = self._says.pop(0) if self._says else []
        if isinstance(said, Exception):
            raise said
        return said


def followed(log: Endless, naps: Callable[[float], bool], clock: Callable[[], float], form: Any = Lines) -> Following:
    return Following(log, 1, Cursor(1, 0), form(), lambda: None, nap=naps, clock=clock)


def test_a_heartbeat_comes_when_nothing_else_has_for_a_while() -> None:
    now = [0.0]

    def nap(seconds: float) -> bool:
        now[0] += 1.0
        return now[0] >= 40

    blocks = [block for block in followed(Endless(), nap, lambda: now[0]).blocks() if block]

    types = [json.loads(block)["type"] for block in blocks]
    assert types == ["heartbeat", "heartbeat", "heartbeat", "end"]


def test_a_server_that_is_stopped_says_so_also_while_events_flow(acme: Partner) -> None:
    event = LoggedEvent(Cursor(1, 1), new_id(), OutboxEntry.Kind.CLICK, b"{}")

    blocks = list(followed(Endless([event]), lambda seconds: True, lambda: 0.0, ServerSentEvents).blocks())

    assert b"event: end\n" in blocks[-1]
    assert b'"reason": "stopping"' in blocks[-1]
    assert b"id: 1-1\n" in blocks[-1]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OperationalError("away"), "unavailable"),
        (Forgotten(Cursor(1, 5)), "cursor"),
        (NotEnabled(), "disabled"),
    ],
)
def test_a_stream_that_cannot_go_on_says_why(failure: Exception, reason: str) -> None:
    blocks = list(followed(Endless([], failure), lambda seconds: False, lambda: 0.0).blocks())

    assert json.loads(blocks[-1])["reason"] == reason


def test_what_is_open_in_a_transaction_is_not_told(
    client: Client, firehose: Firehose, acme: Partner, offer: Offer
) -> None:
    with transaction.atomic():
        click(acme, offer, "taken back")
        transaction.set_rollback(True)
    click(acme, offer, "kept")

    with Listener(client.get(PATH, {"cursor": "beginning"})) as stream:
        assert [line.get("data", {}).get("sub1") for line in stream.lines(2)] == [None, "kept"]


def test_what_is_asked_of_the_key_meanwhile_is_what_the_gate_asks(
    network: Network, call: Call, acme_key: tuple[Key, str]
) -> None:
    key, secret = acme_key

    def both() -> tuple[str, str]:
        request = RequestFactory().get(PATH, REMOTE_ADDR="127.0.0.1")
        open_call = GateCall.of(request)
        open_call.key_id = key.pk
        answer = call(secret).get("/v1/affiliates/affiliate")
        return LoggedCall.objects.get(pk=answer["X-Request-ID"]).outcome, str(open_call.verdict_by_now())

    verdicts = [both()]
    other = key.allow(network=parse_network("203.0.113.0/24"), label="", by=SETUP)
    verdicts.append(both())
    key.allow(network=parse_network("127.0.0.0/8"), label="", by=SETUP)
    verdicts.append(both())
    key.disallow(other, by=SETUP)
    Key.objects.filter(pk=key.pk).update(expires_at="2020-01-01T00:00Z")
    verdicts.append(both())
    Key.objects.filter(pk=key.pk).update(revoked_at="2020-01-01T00:00Z", revoked_by="Vera")
    verdicts.append(both())

    assert verdicts == [(name, name) for name in ("ok", "ip_denied", "ok", "expired_key", "revoked_key")]
