from __future__ import annotations

import logging

import pytest
from django.contrib.sessions.backends.db import SessionStore

from keys.models import Key
from tests import leaks
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db


def test_the_hunt_notes_each_key_that_is_issued(acme_key: tuple[Key, str]) -> None:
    assert leaks.made == [acme_key[1]]


def test_the_hunt_finds_a_key_in_a_table_a_session_and_the_log(acme_key: tuple[Key, str]) -> None:
    key, secret = acme_key
    Key.objects.filter(pk=key.pk).update(label=f"It is {secret}", ciphertext=secret.encode())
    session = SessionStore()
    session["seen"] = secret
    session.save()
    logging.getLogger("keys").warning("Somebody used %s", secret)

    found = leaks.leaks_in_database([secret])

    assert found == ["the table keys_key", "a session"]
    assert any(leaks.holds_any(line, [secret]) for line in leaks.said)
    leaks.made.clear()


def test_the_hunt_finds_nothing_where_nothing_leaked(acme_key: tuple[Key, str]) -> None:
    key, secret = acme_key
    key.reveal(by=SETUP, how="shown")

    assert leaks.leaks_in_database([secret]) == []
