from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from partners.postbacks import sending
from partners.postbacks.sending import Answer, Target, send
from tests.partners.postbacks.receiver import Receiver, answering, dripping, receiving


def called(url: str) -> Answer:
    return asyncio.run(send(url))


class Names:
    """A name server that says what the test wants, and notes how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[list[str]] = []
        self.asked: list[str] = []
        monkeypatch.setattr(sending, "resolve", self._resolve)

    def say(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def _resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; the connection leads nowhere."""
    addresses: list[str] = []

    async def nowhere(address: str, target: Target) -> Any:
        addresses.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(sending, "open_to", nowhere)
    return addresses


@pytest.fixture
def inside(settings: Any) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True


def test_an_answer_of_2xx_is_a_delivery(inside: None, receiver: Receiver) -> None:
    receiver.reply = answering(204, "")

    answer = called(receiver.url("/in?a=%20b&c=%26#part"))

    assert (answer.status, answer.problem) == (204, "")
    assert receiver.paths == ["/in?a=%20b&c=%26"]
    assert "cookie" not in receiver.heads[0].lower()
    assert f"Host: 127.0.0.1:{receiver.port}\r\n" in receiver.heads[0]


@pytest.mark.parametrize("status", [304, 400, 404, 500, 503])
def test_anything_else_is_a_failure_that_names_the_status(inside: None, receiver: Receiver, status: int) -> None:
    receiver.reply = answering(status, "No such click" if status != 304 else "")

    answer = called(receiver.url())

    assert (answer.status, answer.problem) == (status, f"It answered {status}.")


def test_the_first_kilobyte_of_the_answer_is_kept(inside: None, receiver: Receiver) -> None:
    receiver.reply = answering(200, "x" * 1000 + "y" * 50_000)

    assert called(receiver.url()).body == "x" * 1000 + "y" * 24


def test_what_postgresql_cannot_store_is_not_in_the_kept_answer(inside: None, receiver: Receiver) -> None:
    receiver.reply = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na\x00\xffb", b"")

    assert called(receiver.url()).body == "a\ufffd\ufffdb"


def test_a_chunked_answer_is_read(inside: None, receiver: Receiver) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    receiver.reply = dripping(chunked, b"")

    assert called(receiver.url()).body == "abcde"


# Nothing private is called.


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://localhost/",
        "http://localhost./",
        "http://db.internal/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0300.0250.0.1/",
        "http://0x7f.1/",
        "http://0/",
        "http://127%2e0%2e0%2e1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fec0::1]/",
        "http://[2001::1]/",
        "http://user:password@example.com/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:6379/",
        "http://example.com:5432/",
        "http://example.com:11211/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
    ],
)
def test_a_url_that_leads_inside_is_not_called(names: Names, dialled: list[str], url: str) -> None:
    # What the system would make of odd numbers.
    names.say(["127.0.0.1"])

    answer = called(url)

    assert answer.problem
    assert answer.status is None
    assert dialled == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "ff02::1",
    ],
)
def test_a_name_with_a_private_address_is_not_called(names: Names, dialled: list[str], address: str) -> None:
    names.say([address])

    answer = called("https://tracker.example/in")

    assert "tracker.example has the address" in answer.problem
    assert dialled == []


def test_a_name_is_not_called_when_one_of_its_addresses_is_private(names: Names, dialled: list[str]) -> None:
    names.say(["93.184.216.34", "10.0.0.1"])

    assert "10.0.0.1" in called("http://tracker.example/").problem
    assert dialled == []


def test_a_name_is_resolved_once_and_the_judged_address_is_connected_to(names: Names, dialled: list[str]) -> None:
    # The second answer is what a name server of an attacker says a moment later.
    names.say(["93.184.216.34"], ["127.0.0.1"])

    answer = called("http://tracker.example/")

    assert names.asked == ["tracker.example"]
    assert dialled == ["93.184.216.34"]
    assert answer.problem == "Nobody listens there: the connection was refused."


def test_asyncio_looks_nothing_up_behind_our_back(
    inside: None, names: Names, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*asked: Any, **more: Any) -> Any:
        raise AssertionError(asked)

    names.say(["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", unexpected)

    answer = called(f"http://tracker.example:{receiver.port}/in")

    assert answer.status == 200
    assert f"Host: tracker.example:{receiver.port}\r\n" in receiver.heads[0]


def test_the_system_is_asked_for_real(inside: None, receiver: Receiver) -> None:
    assert called(f"http://localhost:{receiver.port}/in").status == 200


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(inside: None, receiver: Receiver, status: int) -> None:
    def reply(connection: socket.socket, path: str) -> None:
        (answering(200, "there") if path == "/new?a=1" else answering(status, Location="/new?a=1"))(connection, path)

    receiver.reply = reply

    answer = called(receiver.url())

    assert (answer.status, answer.problem, answer.body) == (200, "", "there")
    assert receiver.paths == ["/in", "/new?a=1"]


def test_redirects_end_somewhere(inside: None, receiver: Receiver) -> None:
    receiver.reply = answering(302, Location="/in")

    answer = called(receiver.url())

    assert "more than 3 times" in answer.problem
    assert len(receiver.paths) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/admin",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "//localhost/",
        "http://2130706433/",
        "http://inside.example/",
        "http://tracker.example:22/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_a_redirect_into_the_network_is_not_followed(
    names: Names, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.1" if host == "inside.example" else "93.184.216.34"]

    opened: list[str] = []

    async def open_to(address: str, target: Target) -> Any:
        opened.append(address)
        return await asyncio.open_connection("127.0.0.1", receiver.port)

    # The first address is public as far as anybody can tell, and answers with the redirect.
    monkeypatch.setattr(sending, "resolve", resolve)
    monkeypatch.setattr(sending, "open_to", open_to)
    receiver.reply = answering(302, Location=location)

    answer = called("http://tracker.example/in")

    assert opened == ["93.184.216.34"]
    assert answer.problem.startswith("It redirects to ")
    assert len(receiver.paths) == 1


# Answers that are meant to hurt.


@pytest.fixture
def hurried(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for a connection on a machine that has much else to do.
    monkeypatch.setattr(sending, "WHOLE_SECONDS", 3)
    monkeypatch.setattr(sending, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(sending, "BODY_SECONDS", 0.3)


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["nothing", "headers", "informational"],
)
def test_a_slow_answer_ends_when_the_time_is_over(
    inside: None, hurried: None, receiver: Receiver, first: bytes
) -> None:
    receiver.reply = dripping(first, b"a" if first else b"")

    answer = called(receiver.url())

    assert answer.problem
    assert answer.status is None


def test_redirects_that_take_their_time_have_no_more_of_it_than_one_call(
    inside: None, hurried: None, receiver: Receiver
) -> None:
    def at_leisure(connection: socket.socket, path: str) -> None:
        time.sleep(1.2)
        answering(302, Location=receiver.url("/next"))(connection, path)

    receiver.reply = at_leisure

    answer = called(receiver.url())

    assert "There was no answer within 3 s." in answer.problem
    assert len(receiver.paths) < 4


def test_a_slow_body_does_not_turn_a_delivery_into_a_failure(
    inside: None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BODY_SECONDS", 0.3)
    receiver.reply = dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a")

    answer = called(receiver.url())

    assert (answer.status, answer.problem) == (200, "")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "], ids=["body", "headers"])
def test_an_endless_answer_is_read_for_a_few_kilobytes(inside: None, receiver: Receiver, head: bytes) -> None:
    def flood(connection: socket.socket, path: str) -> None:
        # A small buffer, so that what it gets rid of is what was read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.sendall(head)
        while True:
            connection.sendall(b"a" * 4096)
            receiver.sent += 4096

    receiver.reply = flood

    answer = called(receiver.url())

    assert len(answer.body) <= 1024
    assert bool(answer.problem) is head.endswith(b"X: ")
    # Kernels keep some of it on the way, on both sides.
    assert receiver.sent < 8 * 1024 * 1024


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 2000 What\r\n\r\n"])
def test_what_is_not_http_is_a_failure(inside: None, hurried: None, receiver: Receiver, said: bytes) -> None:
    receiver.reply = lambda connection, path: connection.sendall(said)

    assert called(receiver.url()).problem


def test_a_connection_that_is_closed_at_once_is_a_failure(inside: None, receiver: Receiver) -> None:
    receiver.reply = lambda connection, path: None

    assert called(receiver.url()).problem


def test_nobody_listening_is_a_failure(inside: None) -> None:
    with receiving() as gone:
        url = gone.url()

    assert called(url).problem == "Nobody listens there: the connection was refused."


def test_a_name_that_does_not_exist_is_a_failure(inside: None) -> None:
    assert "There is no host" in called("http://no-such-host.invalid/").problem


def test_a_certificate_that_nobody_vouches_for_is_a_failure(inside: None, receiver: Receiver, tmp_path: Path) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run(
        [*made, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    plain = receiver.serve

    def over_tls(connection: socket.socket) -> None:
        with connection:
            try:
                plain(context.wrap_socket(connection, server_side=True))
            except OSError:
                return

    receiver.serve = over_tls  # type: ignore[method-assign]

    answer = called(f"https://localhost:{receiver.port}/in")

    assert answer.problem.startswith("Its certificate is not valid")
    assert receiver.paths == []
    # Whoever does vouch for it is believed.
    sending.trust.cache_clear()
    sending.trust().load_verify_locations(tmp_path / "cert.pem")
    try:
        assert called(f"https://localhost:{receiver.port}/in").status == 200
    finally:
        sending.trust.cache_clear()


def test_plain_text_where_tls_is_spoken_is_a_failure(inside: None, receiver: Receiver) -> None:
    receiver.serve = lambda connection: connection.close()  # type: ignore[method-assign]

    assert called(f"https://localhost:{receiver.port}/in").problem


def test_an_answer_never_takes_headers_from_the_url(inside: None, receiver: Receiver) -> None:
    called(receiver.url("/in\r\nX-Injected: 1"))

    assert "x-injected: 1\r\n" not in receiver.heads[0].lower()
