from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils.timezone import now
from procrastinate.contrib.django import app

from keys.leaks.jobs import fetch_signing_keys
from keys.leaks.models import SigningKey
from keys.leaks.signing import signing_keys_can_be_read
from tests.leaks import said

pytestmark = pytest.mark.django_db


def pem(curve: ec.EllipticCurve | None = None) -> str:
    key = ec.generate_private_key(curve or ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def listed(identifier: str, *, key: str | None = None, is_current: bool = True) -> dict[str, Any]:
    return {"key_identifier": identifier, "key": key or pem(), "is_current": is_current}


class Lists(BaseHTTPRequestHandler):
    answers: tuple[int, bytes] = (200, b"")
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        status, body = self.answers
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def github(settings: Any) -> Iterator[type[Lists]]:
    """A server on this machine in GitHub's place; ``github.answers`` is what it says."""

    class Fresh(Lists):
        pass

    server = HTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.LEAK_SIGNING_KEYS_URL = f"http://127.0.0.1:{server.server_port}/meta/public_keys/secret_scanning"
    yield Fresh
    server.shutdown()
    thread.join()
    server.server_close()


def says(github: type[Lists], *keys: dict[str, Any], status: int = 200) -> None:
    github.answers = (status, json.dumps({"public_keys": keys}).encode())


@pytest.fixture
def known(db: None) -> SigningKey:
    return SigningKey.objects.create(
        identifier="old", public_key=pem(), is_current=True, listed_at=now() - timedelta(hours=1)
    )


def test_the_worker_takes_over_the_list(github: type[Lists], known: SigningKey) -> None:
    says(github, listed("new"), listed("older", is_current=False))

    fetch_signing_keys(timestamp=0)

    assert dict(SigningKey.objects.values_list("identifier", "is_current")) == {"new": True, "older": False}


def test_a_key_that_is_listed_again_is_taken_as_it_is_now(github: type[Lists], known: SigningKey) -> None:
    replaced = pem()
    says(github, listed("old", key=replaced, is_current=False))

    fetch_signing_keys(timestamp=0)

    known.refresh_from_db()
    assert (known.public_key, known.is_current) == (replaced, False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"[]"),
        (200, b'{"public_keys": []}'),
        (200, json.dumps({"public_keys": [listed("a", key="x")]}).encode()),
        (200, json.dumps({"public_keys": [listed("a", key=pem(ec.SECP384R1()))]}).encode()),
        (200, b'{"public_keys": [' + b" " * 300_000 + b"]}"),
        (302, b""),
        (403, b'{"message": "rate limit exceeded"}'),
        (500, b""),
    ],
)
def test_what_is_no_list_changes_nothing_and_is_logged(
    github: type[Lists], known: SigningKey, status: int, body: bytes
) -> None:
    github.answers = (status, body)

    fetch_signing_keys(timestamp=0)

    assert [key.identifier for key in SigningKey.objects.all()] == ["old"]
    assert any("could not be fetched" in line for line in said)


def test_nobody_is_asked_unless_the_operator_says_whom(github: type[Lists], known: SigningKey, settings: Any) -> None:
    settings.LEAK_SIGNING_KEYS_URL = ""

    fetch_signing_keys(timestamp=0)

    assert github.asked == 0
    assert SigningKey.objects.get() == known


def test_a_server_that_is_away_changes_nothing(known: SigningKey, settings: Any) -> None:
    settings.LEAK_SIGNING_KEYS_URL = "http://127.0.0.1:9/"

    fetch_signing_keys(timestamp=0)

    assert SigningKey.objects.get() == known


def test_the_list_is_fetched_every_quarter_of_an_hour() -> None:
    crons = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}

    assert crons["leaks.fetch_signing_keys"] == "*/15 * * * *"


def test_keys_that_cannot_be_read_stop_the_site(settings: Any) -> None:
    of_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    encoded = of_rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().splitlines()[1:-1]
    complaints = []
    for entry in ("abc", ":abc", "abc:", "abc:no base64", f"abc:{''.join(encoded)}"):
        settings.LEAK_SIGNING_KEYS = [entry]
        complaints += [error.id for error in signing_keys_can_be_read(None)]

    assert complaints == ["latchkey.E005"] * 5


def test_an_address_without_encryption_stops_the_site(settings: Any) -> None:
    settings.LEAK_SIGNING_KEYS_URL = "http://api.github.com/meta/public_keys/secret_scanning"
    assert [error.id for error in signing_keys_can_be_read(None)] == ["latchkey.E005"]

    settings.LEAK_SIGNING_KEYS_URL = "https://api.github.com/meta/public_keys/secret_scanning"
    assert signing_keys_can_be_read(None) == []
