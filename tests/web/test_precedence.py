from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.http import StreamingHttpResponse

from portal.web import precedence
from portal.web.precedence import AT_MOST_SECONDS, QUIET_SECONDS, Precedence, before_streams
from portal.web.streams import BLOCK, Stream


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(precedence, "monotonic", clock.monotonic)
    monkeypatch.setattr(precedence, "sleep", clock.sleep)
    return clock


def waited(clock: Clock, requests: Precedence) -> float:
    began = clock.now
    requests.give_way()
    return clock.now - began


def test_a_stream_gives_way_to_a_request_but_not_for_ever(clock: Clock) -> None:
    requests = Precedence()

    with requests:
        assert waited(clock, requests) == pytest.approx(AT_MOST_SECONDS, abs=QUIET_SECONDS)


def test_a_stream_goes_on_when_the_last_request_of_several_has_been_answered(clock: Clock) -> None:
    requests = Precedence()

    with requests:
        with requests:
            pass
        clock.sleep(1)
        assert requests.is_claimed()
    assert requests.is_claimed()

    assert waited(clock, requests) == pytest.approx(QUIET_SECONDS)


def test_a_stream_alone_does_not_wait(clock: Clock) -> None:
    assert waited(clock, Precedence()) == 0


def test_a_stream_gives_way_before_each_block_but_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    made: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield bytes(BLOCK)

    monkeypatch.setattr(precedence.requests, "give_way", lambda: seen.append(len(made)))

    sizes = [len(block) for block in Stream(StreamingHttpResponse(blocks()), owner=None)]

    assert sizes == [BLOCK, BLOCK, BLOCK]
    # Before the second, before the third, and before it is known that there is no fourth.
    assert seen == [1, 2, 3]


def test_a_request_is_underway_until_its_answer_begins() -> None:
    claimed: list[int] = []
    requests = precedence.requests

    def application(environ: dict[str, object], start_response: object) -> list[bytes]:
        claimed.append(requests._underway)
        return [b"body"]

    body = before_streams(application)({}, lambda *_: None)

    assert claimed == [1]
    assert requests._underway == 0
    assert list(body) == [b"body"]


def test_a_request_that_fails_is_no_longer_underway() -> None:
    def application(environ: dict[str, object], start_response: object) -> list[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        before_streams(application)({}, lambda *_: None)

    assert precedence.requests._underway == 0


# The web server's module sets signal handlers, which are for a process of its own.
PROGRAM = """
from django.core.signals import request_started
from portal.wsgi import application
from portal.web.precedence import requests

def begun(**_):
    print(requests._underway)
    raise SystemExit

request_started.connect(begun)
try:
    application({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, None)
finally:
    print(requests._underway)
"""


def test_what_the_web_server_runs_puts_requests_first() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True)

    assert done.stdout.split() == ["1", "0"]
