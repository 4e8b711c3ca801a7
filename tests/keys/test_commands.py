from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from keys.models import Key
from keys.secret import digest_of, is_well_formed
from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.models import Partner
from portal.accounts.models import Event
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

FIRST = "1:" + "A" * 43 + "="
SECOND = "2:" + "B" * 43 + "="


def run(*args: str) -> tuple[str, str]:
    """What the command wrote on standard output and on standard error."""
    out, err = StringIO(), StringIO()
    call_command(*args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_issue_key_prints_the_key_of_a_partner_and_nothing_else(acme: Partner) -> None:
    out, err = run("issue_key", "--partner", str(acme.pk), "--label", "Nightly import")

    secret = out.removesuffix("\n")
    key = acme.keys.get()
    assert is_well_formed(secret)
    assert bytes(key.digest) == digest_of(secret)
    assert (key.label, key.created_by, err) == ("Nightly import", "manage.py issue_key", "")
    assert Event.objects.get(kind="key.issued").actor_label == "manage.py issue_key"


def test_issue_key_prints_the_network_key(network: Any) -> None:
    out, _ = run("issue_key", "--network")

    assert out.startswith("lk_net_")
    assert bytes(Key.objects.of_network().live().get().digest) == digest_of(out.strip())


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--partner", "987654", "--label", "x"), "There is no partner 987654."),
        (("--partner", "1"), "Say what the key is for"),
        (("--partner", "1", "--label", "lk_aff_0123456789"), "looks like an API key"),
        (("--partner", "1", "--label", "x", "--replace"), "--replace goes with --network"),
        (("--network", "--label", "x"), "has no label"),
        ((), "one of the arguments --partner --network is required"),
        (("--partner", "1", "--network"), "not allowed with"),
    ],
)
def test_issue_key_refuses_with_a_sentence(args: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run("issue_key", *args)

    assert not Key.objects.exists()


def test_issue_key_replaces_a_live_network_key_only_when_told_to() -> None:
    old, _ = Key.generate_network_key(by=SETUP, replacing=None)

    with pytest.raises(CommandError, match=f"{old.hint} is live"):
        run("issue_key", "--network")
    out, _ = run("issue_key", "--network", "--replace")

    old.refresh_from_db()
    assert old.state is Key.State.REVOKED
    assert bytes(Key.objects.of_network().live().get().digest) == digest_of(out.strip())


def issue(partner: Partner, *, count: int) -> list[tuple[Key, str]]:
    return [Key.issue(partner=partner, label=f"Key {number}", by=SETUP) for number in range(count)]


def test_rotation_seals_every_key_anew_and_loses_none(acme: Partner, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    issued = issue(acme, count=5)
    issued[0][0].revoke(by=SETUP)
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]

    out, err = run("rotate_encryption_keys", "--batch", "2")

    assert out == ""
    assert "5 of 5" in err
    assert Key.objects.sealed_under() == {2: 5}
    settings.KEY_ENCRYPTION_KEYS = [SECOND]
    for key, secret in issued[1:]:
        key.refresh_from_db()
        assert key.reveal(by=SETUP, how="shown") == secret
    rotated = Event.objects.filter(kind="encryption_key.rotated")
    assert sorted(event.details["keys"] for event in rotated) == [1, 2, 2]


def test_rotation_goes_on_where_it_was_stopped(acme: Partner, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    issue(acme, count=5)
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]
    seal_anew, sealed = Key.seal_anew, []

    def stop_at_the_fourth(key: Key) -> None:
        sealed.append(key)
        if len(sealed) == 4:
            raise KeyboardInterrupt
        seal_anew(key)

    with monkeypatch.context() as patched:
        patched.setattr(Key, "seal_anew", stop_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            run("rotate_encryption_keys", "--batch", "2")
    after_the_stop = Key.objects.sealed_under()
    run("rotate_encryption_keys", "--batch", "2")

    assert after_the_stop == {1: 3, 2: 2}
    assert Key.objects.sealed_under() == {2: 5}


def test_rotation_with_nothing_to_do_changes_nothing(acme_key: tuple[Key, str]) -> None:
    _, err = run("rotate_encryption_keys")

    assert "Nothing is left" in err
    assert not Event.objects.filter(kind="encryption_key.rotated").exists()


def test_rotation_names_damaged_keys_and_seals_the_others(acme: Partner, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    (damaged, _), (sound, secret) = issue(acme, count=2)
    Key.objects.filter(pk=damaged.pk).update(ciphertext=b"x" * 60)
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]

    with pytest.raises(CommandError, match=f"key {damaged.pk}, .* is damaged"):
        run("rotate_encryption_keys")

    sound.refresh_from_db()
    assert sound.encryption_key == 2
    assert sound.reveal(by=SETUP, how="shown") == secret


def test_rotation_reports_keys_sealed_under_a_number_that_the_environment_lacks(acme: Partner, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    issue(acme, count=2)
    settings.KEY_ENCRYPTION_KEYS = [SECOND]

    with pytest.raises(CommandError, match="lacks encryption key 1, which seals 2 keys"):
        run("rotate_encryption_keys")

    assert Key.objects.sealed_under() == {1: 2}


def test_an_encryption_key_in_use_is_not_retired(acme: Partner, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    issue(acme, count=1)
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]

    with pytest.raises(CommandError, match="still seals 1 key\\."):
        run("rotate_encryption_keys", "--retire", "1")
    run("rotate_encryption_keys")
    _, err = run("rotate_encryption_keys", "--retire", "1")

    assert "Encryption key 1 seals nothing" in err


def test_the_encryption_key_that_writes_is_not_retired(network: Any, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]

    with pytest.raises(CommandError, match="Encryption key 2 is the first"):
        run("rotate_encryption_keys", "--retire", "2")


def test_secrets_that_sign_pushes_are_sealed_anew_with_the_keys(acme_key: tuple[Key, str], settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = [FIRST]
    partner = Partner.create(by=SETUP, name="Pushed Media", status="active")
    Firehose.enable(partner, by=SETUP)
    push, secret = Push.add(partner=partner, url="https://events.example.com/", by=SETUP)
    settings.KEY_ENCRYPTION_KEYS = [SECOND, FIRST]

    with pytest.raises(CommandError, match="still seals 1 key and 1 signing secret\\."):
        run("rotate_encryption_keys", "--retire", "1")
    _, err = run("rotate_encryption_keys")

    assert "2 of 2" in err
    settings.KEY_ENCRYPTION_KEYS = [SECOND]
    assert [kept.unsealed() for kept in push.secrets.all()] == [secret]
    assert Event.objects.filter(kind="encryption_key.rotated", details__has_key="signing secrets").count() == 1
