"""Hunts for keys: none that was issued during a test may stand in the database, in a mail or in the log output when it
ends.

conftest.py imports the hooks. A test that issues no key costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection

import keys.models.key
import keys.models.share
import partners.offers.models.catalogue
from keys.secret import new_secret

made: list[str] = []
said: list[str] = []


class Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        said.append(self.format(record))


@pytest.fixture(scope="session", autouse=True)
def every_secret_is_noted() -> Iterator[None]:
    make, listener = new_secret, Listener()

    def make_and_note(prefix: str) -> str:
        secret = make(prefix)
        made.append(secret)
        return secret

    logging.getLogger().addHandler(listener)
    with pytest.MonkeyPatch.context() as patch:
        for maker in (keys.models.key, keys.models.share, partners.offers.models.catalogue):
            patch.setattr(maker, "new_secret", make_and_note)
        yield
    logging.getLogger().removeHandler(listener)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    made.clear()
    said.clear()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    # Before the teardown, while the test's own transaction still shows what it wrote.
    yield
    if made:
        leaks = [
            *leaks_in_database(made),
            *leaks_in_mails(made),
            *(f"log output: {line}" for line in said if holds_any(line, made)),
        ]
        assert not leaks, "A key that was issued during this test stands in " + "; ".join(leaks)


def leaks_in_database(secrets: list[str]) -> list[str]:
    """Where one of the secrets stands, in plain text or as hexadecimal bytes; sessions are opened for it."""
    if connection.needs_rollback:
        return []
    tables = connection.introspection.table_names()
    patterns = [f"%{text}%" for secret in secrets for text in (secret, secret.encode().hex())]
    search = " UNION ALL ".join(
        f"SELECT '{table}' FROM \"{table}\" AS leak_row WHERE leak_row::text LIKE ANY(%(patterns)s)" for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(search, {"patterns": patterns})
        found = [f"the table {table}" for (table,) in cursor.fetchall()]
    opened = [str(session.get_decoded()) for session in Session.objects.all()]
    return found + ["a session" for text in opened if holds_any(text, secrets)]


def leaks_in_mails(secrets: list[str]) -> list[str]:
    """Which mails hold one of the secrets, in their text or in HTML."""
    sent = getattr(mail, "outbox", [])
    parts = [(each, [each.subject, each.body, *(text for text, _ in each.alternatives)]) for each in sent]
    return [f"a mail: {each.subject}" for each, texts in parts if holds_any("\n".join(map(str, texts)), secrets)]


def holds_any(text: str, secrets: list[str]) -> bool:
    return any(secret in text for secret in secrets)
