from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest
from django.conf import settings

from keys.models import Key
from partners.firehose.cursor import Cursor
from partners.firehose.log import NotEnabled, postgres
from partners.firehose.models import Firehose
from partners.models import Partner
from portal.api import api
from portal.postgres import PROJECT
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

TEXT = (PROJECT / "docs/operations.md").read_text()
COMMANDS = [dedent(code) for code in re.findall(r'manage shell -c "\n(.*?)"\n', TEXT, re.DOTALL)]


def run_the_command_with(text: str) -> None:
    """What the page has its reader type into ``manage shell``."""
    [command] = [code for code in COMMANDS if text in code]
    exec(command, {})


def test_the_proxy_lets_the_largest_body_through_that_is_taken() -> None:
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", TEXT)

    assert int(megabytes) * 2**20 > max([settings.DATA_UPLOAD_MAX_MEMORY_SIZE, *api.most_bytes.values()])


def test_a_key_that_somebody_found_is_revoked(acme_key: tuple[Key, str], monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = acme_key
    monkeypatch.setattr("getpass.getpass", lambda prompt: secret)

    run_the_command_with("getpass")

    key.refresh_from_db()
    assert not key.is_live


def test_every_partner_key_is_revoked_and_the_network_key_is_not(
    acme_key: tuple[Key, str], other_partner: Partner, network: Any
) -> None:
    Key.issue(partner=other_partner, label="Import", by=SETUP)
    of_network, _ = Key.generate_network_key(by=SETUP, replacing=None)

    run_the_command_with("for key in")

    assert list(Key.objects.live()) == [of_network]


def test_after_a_restore_no_cursor_leads_to_other_events_than_it_was_given_for(acme: Partner, network: Any) -> None:
    Firehose.enable(acme, by=SETUP)
    given = Cursor(1, 500)

    run_the_command_with("Firehose")

    assert postgres.last(acme.pk) == Cursor(2, 0)
    with pytest.raises(NotEnabled):
        postgres.read(acme.pk, given, 1)
