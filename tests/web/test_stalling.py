from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from portal.web.stalling import TAKES_WITHIN_SECONDS, ending_stalled, sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux limits how long a socket waits.")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as listener:
        yield listener


def listening() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    return listener


def waits(own: socket.socket) -> float:
    """How many seconds it waits for who takes nothing; 0: without end."""
    return own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000


def port_of(own: socket.socket) -> int:
    return int(own.getsockname()[1])


def test_a_stream_limits_its_connection_and_those_that_come_after_it(listener: socket.socket) -> None:
    earlier = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    with earlier, accepted, listening() as other:
        answer = ending_stalled(lambda environ, start: StreamingHttpResponse([b"a"]))

        answer({"SERVER_PORT": str(port_of(listener))}, lambda *said: None)

        later = socket.create_connection(listener.getsockname())
        accepted_later, _ = listener.accept()
        with later, accepted_later:
            assert waits(accepted) == waits(accepted_later) == TAKES_WITHIN_SECONDS == 60
            assert waits(earlier) == waits(other) == 0


def test_what_is_no_stream_looks_at_no_socket(listener: socket.socket) -> None:
    answer = ending_stalled(lambda environ, start: HttpResponse(b"a"))

    answer({"SERVER_PORT": str(port_of(listener))}, lambda *said: None)

    assert waits(listener) == 0


def test_looking_at_sockets_leaves_them_open_and_opens_none(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as accepted:
        before = {own.getsockname() for own in sockets()}

        after = {own.getsockname() for own in sockets()}

        assert listener.getsockname() in before
        assert before == after
        accepted.sendall(b"still here")
        assert client.recv(100) == b"still here"
