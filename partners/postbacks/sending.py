"""One call of a URL that a stranger wrote, from inside the network's machines.

The name is resolved once, every address it has is judged, and the connection goes to an address that was judged: there
is no second look-up that could say something else. The same holds for each redirect. What comes back is read up to a
few kilobytes and for a few seconds, whatever the other side would like.

h11 parses; connecting is ours, because that is the part which has to be pinned. Clients that do both (httpx, urllib3)
would have to be kept from resolving, pooling and following by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, urljoin

import h11
from django.conf import settings
from django.utils.timezone import now

from partners.macros import AS_IT_IS, PARTS, BadTemplate, host_and_port
from partners.postbacks.targets import is_public, refusal_of

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 10.0
# How long to go on reading once it is known how it went.
BODY_SECONDS = 2.0
KEPT_BYTES = 1024
CHUNK = 4096
# All of the head, and as much of the body as is in the way of its first kilobyte.
MOST_BYTES = 32 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 3
ADDRESSES_TRIED = 3
# Servers of other kinds, which can be made to take an HTTP request for something else.
OTHER_PORTS = frozenset({1433, 1521, 2049, 2375, 2376, 3306, 3389, 5432, 5900, 6000, 6379, 6667, 9200, 11211, 27017})
USER_AGENT = "Latchkey-Postback/1"


class NotSent(Exception):
    """It was not sent, or not answered so that it could be read; the message is a sentence for the partner."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How it went. ``problem`` is empty when a 2xx was answered; ``status`` None when nobody answered."""

    at: datetime
    url: str
    status: int | None
    problem: str
    body: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str
    port: int
    # Path and query, in ASCII.
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Target:
        """:raises NotSent: when it is no http or https URL, or one that may not be called"""
        found = PARTS.fullmatch(quote(url, safe=AS_IT_IS))
        if found is None or found[1].lower() not in ("http", "https"):
            raise NotSent("It leads to something that is not an http or https URL.")
        try:
            host, port = host_and_port(found[2])
        except BadTemplate as bad:
            raise NotSent(str(bad)) from None
        scheme = found[1].lower()
        path = (found[3] if found[3].startswith("/") else f"/{found[3]}") + (found[4] or "")
        target = cls(scheme, host, port or (443 if scheme == "https" else 80), path)
        if not settings.POSTBACKS_ALLOW_PRIVATE:
            target.judge()
        return target

    def judge(self) -> None:
        if refusal := refusal_of(self.host):
            raise NotSent(refusal)
        if self.port in OTHER_PORTS or (self.port < 1024 and self.port not in (80, 443)):
            raise NotSent(f"Port {self.port} belongs to servers of another kind; web servers are called alone.")


@dataclass(slots=True)
class Seen:
    """What is known so far, for when the time is over."""

    url: str
    status: int | None = None
    location: str = ""
    body: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a GET, or with a body a POST. A POST goes where it is sent and follows no redirect."""

    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    user_agent: str = USER_AGENT

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @property
    def length(self) -> tuple[tuple[str, str], ...]:
        return () if self.body is None else (("Content-Length", str(len(self.body))),)


async def send(url: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Calls the URL by GET, following a few redirects; otherwise as ``deliver``."""
    return await deliver(url, Message(headers))


async def deliver(url: str, message: Message) -> Answer:
    """Calls the URL. It never takes longer than ten seconds, and never raises for what the other side does."""
    at, started = now(), time.monotonic()
    seen = Seen(url)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            await follow(seen, message)
        problem = "" if 200 <= (seen.status or 0) < 300 else f"It answered {seen.status}."
    except (NotSent, TimeoutError, OSError, h11.RemoteProtocolError) as reason:
        problem = in_words(reason)
        if seen.location:
            # The status is that of the redirect, not of what it leads to.
            problem = f"It redirects to {seen.url[:120]}: {problem}"
    body = bytes(seen.body[:KEPT_BYTES]).decode(errors="replace").replace("\x00", "\ufffd")
    duration = round((time.monotonic() - started) * 1000)
    return Answer(at, url, seen.status, problem, body, duration)


def in_words(reason: Exception) -> str:
    match reason:
        case NotSent():
            return str(reason)
        case TimeoutError():
            return f"There was no answer within {WHOLE_SECONDS:.0f} s."
        case ssl.SSLCertVerificationError():
            return f"Its certificate is not valid: {reason.verify_message}."
        case ssl.SSLError():
            return "It does not speak TLS as it should."
        case ConnectionRefusedError():
            return "Nobody listens there: the connection was refused."
        case h11.RemoteProtocolError():
            return "What it answered is not HTTP."
        case _:
            return "The connection broke off."


async def follow(seen: Seen, message: Message) -> None:
    for _ in range(MOST_REDIRECTS + 1):
        target = Target.of(seen.url)
        await exchange(target, seen, message)
        if seen.status not in REDIRECTS or not seen.location:
            return
        if message.body is not None:
            # What it leads to was told to nobody, and is not who the body is for.
            seen.location = ""
            return
        seen.url = urljoin(seen.url, seen.location)
    raise NotSent(f"It redirects more than {MOST_REDIRECTS} times.")


async def exchange(target: Target, seen: Seen, message: Message) -> None:
    reader, writer = await connect(target)
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_BYTES)
        said = [("Host", target.authority), ("User-Agent", message.user_agent), ("Accept", "*/*")]
        headers = [*said, ("Connection", "close"), *message.length, *message.headers]
        writer.write(client.send(h11.Request(method=message.method, target=target.path, headers=headers)) or b"")
        if message.body:
            writer.write(client.send(h11.Data(data=message.body)) or b"")
        client.send(h11.EndOfMessage())
        await writer.drain()
        await read_head(client, reader, seen)
        if seen.status in REDIRECTS and seen.location:
            return
        with contextlib.suppress(TimeoutError, OSError, h11.RemoteProtocolError):
            # It is known how it went; that the rest is slow or broken changes nothing.
            async with asyncio.timeout(BODY_SECONDS):
                await read_body(client, reader, seen)
    finally:
        # Not a polite goodbye, which the other side could draw out.
        writer.transport.abort()


async def read_head(client: h11.Connection, reader: asyncio.StreamReader, seen: Seen) -> None:
    read = 0
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(CHUNK)
            read += len(data)
            if read > MOST_BYTES:
                raise NotSent("Its answer has no end to its headers.")
            client.receive_data(data)
        elif isinstance(event, h11.Response):
            seen.status = event.status_code
            locations = [value for name, value in event.headers if name == b"location"]
            seen.location = locations[0].decode("utf-8", "replace").strip() if locations else ""
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise NotSent("The connection ended without an answer.")


async def read_body(client: h11.Connection, reader: asyncio.StreamReader, seen: Seen) -> None:
    seen.body.clear()
    read = 0
    while len(seen.body) < KEPT_BYTES and read < MOST_BYTES:
        event = client.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(CHUNK)
            read += len(data)
            client.receive_data(data)
        elif isinstance(event, h11.Data):
            seen.body += event.data
        else:
            return


async def connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """:raises NotSent: when the name is unknown, has an address that may not be called, or nobody is there"""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            addresses = await addresses_of(target)
            for number, address in enumerate(addresses, start=1):
                try:
                    return await open_to(address, target)
                except ssl.SSLError:
                    raise
                except OSError:
                    if number == len(addresses):
                        raise
    except TimeoutError:
        raise NotSent(f"No connection came about within {CONNECT_SECONDS:.0f} s.") from None
    raise NotSent(f"{target.host} has no address.")


async def open_to(address: str, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # An address is connected to as it is; asyncio looks up names alone.
    if target.scheme == "http":
        return await asyncio.open_connection(address, target.port, limit=CHUNK)
    name = target.host.rstrip(".")
    return await asyncio.open_connection(address, target.port, limit=CHUNK, ssl=trust(), server_hostname=name)


async def addresses_of(target: Target) -> list[str]:
    """The addresses of the host, all of which may be called: of a name with a private one among them, none is."""
    try:
        found = [str(ip_address(target.host))]
    except ValueError:
        found = await resolve(target.host, target.port)
    if not settings.POSTBACKS_ALLOW_PRIVATE:
        for address in found:
            if not is_public(ip_address(address)):
                raise NotSent(
                    f"{target.host} has the address {address}, of a private network or of this machine: only what the "
                    "internet reaches is called."
                )
    return found[:ADDRESSES_TRIED]


async def resolve(host: str, port: int) -> list[str]:
    """What the system says the name's addresses are, each once."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=1)
    except (OSError, UnicodeError):
        raise NotSent(f"There is no host {host}, or nobody could say where it is.") from None
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    return ssl.create_default_context()
