from __future__ import annotations

import string
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from keys.models import AllowlistEntry, AlreadyIssued, AlreadyRevoked, Key, NotRevealable
from keys.networks import parse_network
from keys.sealing import BadEncryptionKeys, CannotUnseal, UnknownEncryptionKey, parse, seal, unseal
from keys.secret import (
    AFFILIATE_PREFIX,
    ALPHABET,
    NETWORK_PREFIX,
    digest_of,
    hint_of,
    is_well_formed,
    new_secret,
    redact,
)
from partners.models import Partner
from portal.accounts.models import Event
from tests.conftest import SETUP

prefixes = st.sampled_from([AFFILIATE_PREFIX, NETWORK_PREFIX])


@given(prefixes)
def test_a_new_secret_is_well_formed_and_of_its_kind(prefix: str) -> None:
    secret = new_secret(prefix)

    assert len(secret) == len(prefix) + 32 + 6
    assert secret.startswith(prefix)
    assert set(secret[7:]) <= set(ALPHABET)
    assert is_well_formed(secret)


@given(prefixes, st.integers(0, 44), st.characters(max_codepoint=0x2FF))
def test_each_single_character_change_is_refused(prefix: str, position: int, character: str) -> None:
    secret = new_secret(prefix)

    changed = secret[:position] + character + secret[position + 1 :]

    assert is_well_formed(changed) == (changed == secret)


@given(prefixes, st.integers(0, 43))
def test_each_swap_of_neighbours_is_refused(prefix: str, position: int) -> None:
    secret = new_secret(prefix)

    swapped = secret[:position] + secret[position + 1] + secret[position] + secret[position + 2 :]

    assert is_well_formed(swapped) == (swapped == secret)


@given(prefixes, st.text(alphabet=string.whitespace + ALPHABET, min_size=1, max_size=3))
def test_a_secret_with_something_around_it_is_refused(prefix: str, more: str) -> None:
    secret = new_secret(prefix)

    assert not is_well_formed(secret + more)
    assert not is_well_formed(more + secret)


def test_every_character_of_a_key_counts() -> None:
    secret = new_secret(AFFILIATE_PREFIX)

    accepted = [
        position
        for position in range(7, len(secret))
        for other in ALPHABET
        if other != secret[position] and is_well_formed(secret[:position] + other + secret[position + 1 :])
    ]

    assert accepted == []


@given(prefixes, st.text(max_size=30), st.text(max_size=30))
def test_redaction_leaves_no_key_and_keeps_the_rest(prefix: str, before: str, after: str) -> None:
    secret = new_secret(prefix)
    cut_short = secret[:20]

    text = redact(f"{before} {secret} {cut_short} {secret.upper()} {after}")

    for part in (secret, cut_short, secret.upper(), secret[7:]):
        assert part not in text
    assert "[redacted]" in text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("nothing to hide", "nothing to hide"),
        ("api_key=lk_aff_0123456789abcdef&page=2", "api_key=lk_aff_[redacted]&page=2"),
        ("lk_net_0123456789abcdef,lk_aff_0123456789abcdef", "lk_net_[redacted],lk_aff_[redacted]"),
        ("the prefix lk_aff_ alone", "the prefix lk_aff_ alone"),
    ],
)
def test_what_looks_like_a_key_is_redacted(text: str, redacted: str) -> None:
    assert redact(text) == redacted


def test_a_hint_gives_away_four_characters() -> None:
    secret = new_secret(AFFILIATE_PREFIX)

    assert hint_of(secret) == f"lk_aff_…{secret[-4:]}"


def test_what_is_sealed_for_a_row_is_unsealed_for_it() -> None:
    number, ciphertext = seal("the secret", key_id=7)

    assert unseal(ciphertext, key_id=7, number=number) == "the secret"
    assert b"secret" not in ciphertext


def test_the_same_text_is_never_sealed_the_same_way_twice() -> None:
    assert seal("the secret", key_id=7) != seal("the secret", key_id=7)


def test_a_ciphertext_moved_to_another_row_is_not_unsealed() -> None:
    number, ciphertext = seal("the secret", key_id=7)

    with pytest.raises(CannotUnseal):
        unseal(ciphertext, key_id=8, number=number)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_a_ciphertext_with_one_bit_changed_is_not_unsealed(position: int, bit: int) -> None:
    number, ciphertext = seal("the secret", key_id=7)
    damaged = bytearray(ciphertext)
    damaged[position % len(damaged)] ^= 1 << bit

    with pytest.raises(CannotUnseal):
        unseal(bytes(damaged), key_id=7, number=number)


@pytest.mark.parametrize("ciphertext", [b"", b"short", b"x" * 12])
def test_a_ciphertext_cut_short_is_not_unsealed(ciphertext: bytes) -> None:
    with pytest.raises(CannotUnseal):
        unseal(ciphertext, key_id=7, number=1)


def test_another_encryption_key_does_not_unseal(settings: Any) -> None:
    number, ciphertext = seal("the secret", key_id=7)
    settings.KEY_ENCRYPTION_KEYS = [f"{number}:{'B' * 43}="]

    with pytest.raises(CannotUnseal):
        unseal(ciphertext, key_id=7, number=number)


def test_a_number_that_the_environment_lacks_is_named(settings: Any) -> None:
    _, ciphertext = seal("the secret", key_id=7)

    with pytest.raises(UnknownEncryptionKey, match="99"):
        unseal(ciphertext, key_id=7, number=99)


def test_the_first_encryption_key_writes_and_the_others_read(settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = ["1:" + "A" * 43 + "="]
    number, ciphertext = seal("the secret", key_id=7)

    settings.KEY_ENCRYPTION_KEYS = ["2:" + "B" * 43 + "=", "1:" + "A" * 43 + "="]

    assert seal("another", key_id=7)[0] == 2
    assert unseal(ciphertext, key_id=7, number=number) == "the secret"


@pytest.mark.parametrize(
    "entries",
    [(), ("",), ("A" * 43 + "=",), ("one:" + "A" * 43 + "=",), ("1:AAAA",), ("1:%%%",), ("1:" + "A" * 43 + "=",) * 2],
)
def test_encryption_keys_that_cannot_be_meant_are_refused(entries: tuple[str, ...]) -> None:
    with pytest.raises(BadEncryptionKeys):
        parse(entries)


@pytest.mark.django_db
def test_an_issued_key_is_stored_as_digest_hint_and_ciphertext(acme: Partner) -> None:
    key, secret = Key.issue(partner=acme, label="Reporting", by=SETUP)

    with connection.cursor() as cursor:
        cursor.execute("SELECT keys_key::text FROM keys_key WHERE id = %s", [key.pk])
        row = cursor.fetchone()[0]
    assert bytes(key.digest) == digest_of(secret)
    assert key.hint == hint_of(secret)
    assert secret not in row
    assert secret.encode().hex() not in row
    assert Key.objects.opened_by(secret) == key


@pytest.mark.django_db
def test_text_that_cannot_be_a_key_is_not_looked_up(django_assert_num_queries: Any) -> None:
    secret = new_secret(AFFILIATE_PREFIX)

    with django_assert_num_queries(0):
        assert Key.objects.opened_by(secret[:-1] + ("0" if secret[-1] != "0" else "1")) is None
        assert Key.objects.opened_by("x" * 10_000) is None


@pytest.mark.django_db
def test_a_form_that_issued_its_key_issues_no_other(acme: Partner) -> None:
    submission = uuid.uuid4()
    key, _ = Key.issue(partner=acme, label="Reporting", submission=submission, by=SETUP)

    with pytest.raises(AlreadyIssued) as refused:
        Key.issue(partner=acme, label="Reporting", submission=submission, by=SETUP)

    assert refused.value.key == key
    assert Event.objects.filter(kind="key.issued").count() == 1


@pytest.mark.django_db
def test_a_key_is_revoked_once(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    key.revoke(by=SETUP)

    with pytest.raises(AlreadyRevoked):
        key.revoke(by=SETUP)

    assert Event.objects.filter(kind="key.revoked").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"revoked_at": timezone.now(), "revoked_by": "x"}, {"expires_at": timezone.now()}])
def test_a_key_that_opens_nothing_is_not_revealed(change: dict[str, Any], acme_key: tuple[Key, str]) -> None:
    Key.objects.update(**change)
    key = Key.objects.get()

    with pytest.raises(NotRevealable):
        key.reveal(by=SETUP, how="shown")

    assert not Event.objects.filter(kind="key.revealed").exists()


@pytest.mark.django_db
def test_the_state_of_a_key_follows_from_its_times(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    hour = timedelta(hours=1)

    key.expires_at = timezone.now() + hour
    before_its_end = key.state
    key.expires_at = timezone.now() - hour
    after_its_end = key.state
    key.revoked_at = timezone.now()

    assert (before_its_end, after_its_end, key.state) == (Key.State.LIVE, Key.State.EXPIRED, Key.State.REVOKED)


@pytest.mark.django_db
def test_live_keys_are_neither_revoked_nor_expired(acme: Partner) -> None:
    live, _ = Key.issue(partner=acme, label="Live", by=SETUP)
    ending, _ = Key.issue(partner=acme, label="Ending", by=SETUP)
    ended, _ = Key.issue(partner=acme, label="Ended", by=SETUP)
    revoked, _ = Key.issue(partner=acme, label="Revoked", by=SETUP)
    revoked.revoke(by=SETUP)
    Key.objects.filter(pk=ending.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    Key.objects.filter(pk=ended.pk).update(expires_at=timezone.now())

    assert set(Key.objects.live()) == {live, ending}
    assert list(Key.objects.for_listing())[2:] == [revoked, ended]


def violates(constraint: str) -> Any:
    return pytest.raises(IntegrityError, match=constraint)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        # PostgreSQL names the first in the alphabet of the three that a third realm violates.
        ("key_has_ciphertext_if_of_a_partner|key_realm_is_known", {"realm": "advertiser"}),
        ("key_of_the_affiliate_realm_has_a_partner", {"partner": None}),
        ("key_has_ciphertext_if_of_a_partner", {"ciphertext": None}),
        ("key_has_ciphertext_if_of_a_partner", {"encryption_key": None}),
        ("key_revoked_at_and_by", {"revoked_at": timezone.now()}),
        ("key_revoked_at_and_by", {"revoked_by": "Amir"}),
        ("key_created_at_and_by", {"created_by": ""}),
    ],
)
def test_the_database_refuses_a_partner_key_that_cannot_be(
    constraint: str, change: dict[str, Any], acme_key: tuple[Key, str]
) -> None:
    with violates(constraint), transaction.atomic():
        Key.objects.update(**change)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("key_has_ciphertext_if_of_a_partner", {"ciphertext": b"x", "encryption_key": 1}),
        ("network_key_never_expires", {"expires_at": timezone.now()}),
    ],
)
def test_the_database_refuses_a_network_key_that_cannot_be(constraint: str, change: dict[str, Any], db: None) -> None:
    Key.generate_network_key(by=SETUP, replacing=None)

    with violates(constraint), transaction.atomic():
        Key.objects.update(**change)


@pytest.mark.django_db
def test_the_database_refuses_a_network_key_of_a_partner(acme: Partner) -> None:
    Key.generate_network_key(by=SETUP, replacing=None)

    with violates("key_of_the_affiliate_realm_has_a_partner"), transaction.atomic():
        Key.objects.update(partner=acme)


@pytest.mark.django_db
def test_the_database_refuses_two_live_network_keys() -> None:
    key, _ = Key.generate_network_key(by=SETUP, replacing=None)

    with violates("at_most_one_live_network_key"), transaction.atomic():
        Key.objects.create(realm="network", label="Second", digest=b"x" * 32, hint="x", created_by="tests")

    assert Key.objects.get() == key


@pytest.mark.django_db
def test_the_database_refuses_two_keys_of_one_digest_or_one_form(acme: Partner) -> None:
    first, _ = Key.issue(partner=acme, label="First", submission=uuid.uuid4(), by=SETUP)
    second, _ = Key.issue(partner=acme, label="Second", by=SETUP)

    for change in ({"digest": first.digest}, {"submission": first.submission}):
        with violates("unique"), transaction.atomic():
            Key.objects.filter(pk=second.pk).update(**change)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("allowlist_entry_is_not_any_address", {"network": "0.0.0.0/0"}),
        ("allowlist_entry_is_not_any_address", {"network": "::/0"}),
        ("allowlist_entry_created_at_and_by", {"created_by": ""}),
        ("allowlist_entry_is_unique", {"network": "203.0.113.8/32"}),
    ],
)
def test_the_database_refuses_an_allowlist_entry_that_cannot_be(
    constraint: str, change: dict[str, Any], acme_key: tuple[Key, str]
) -> None:
    entry = acme_key[0].allow(network=parse_network("203.0.113.7"), label="", by=SETUP)
    acme_key[0].allow(network=parse_network("203.0.113.8"), label="", by=SETUP)

    with violates(constraint), transaction.atomic():
        AllowlistEntry.objects.filter(pk=entry.pk).update(**change)


def test_a_form_of_one_partner_cannot_stand_in_the_way_of_another(acme: Partner, other_partner: Partner) -> None:
    submission = uuid.uuid4()
    Key.issue(partner=acme, label="Reporting", submission=submission, by=SETUP)

    key, _ = Key.issue(partner=other_partner, label="Reporting", submission=submission, by=SETUP)

    assert key.partner == other_partner
