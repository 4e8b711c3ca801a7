"""What happens when two people do something at the same moment: real threads on connections of their own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from keys.leaks.models import Leak, Place
from keys.models import AlreadyIssued, AlreadyListed, AlreadyRevoked, Key, KeyRequest, NetworkKeyChanged
from keys.networks import parse_network
from keys.secret import digest_of
from partners.models import Partner
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db(transaction=True)

Answer = TypeVar("Answer")
HOW_MANY = 6


def at_once(*actions: Callable[[], Answer]) -> list[Answer | Exception]:
    """Runs each action in a thread of its own, all let go in the same moment; answers what came of each."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], Answer]) -> Answer | Exception:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=120)
            return action()
        except Exception as error:  # noqa: BLE001  what was raised is what the test asks about
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def kinds(answers: list[Any]) -> list[str]:
    return sorted(type(answer).__name__ for answer in answers)


def test_of_two_people_who_revoke_at_once_one_is_told_that_it_was_done(acme_key: tuple[Key, str]) -> None:
    copies = [Key.objects.get(pk=acme_key[0].pk) for _ in range(HOW_MANY)]

    answers = at_once(*[lambda key=key: key.revoke(by=SETUP) for key in copies])

    assert kinds(answers) == ["AlreadyRevoked"] * (HOW_MANY - 1) + ["NoneType"]
    assert Event.objects.filter(kind="key.revoked").count() == 1


def test_two_people_who_press_revoke_at_once_are_both_answered(
    acme_key: tuple[Key, str], acme: Partner, amir: User, sonia: User, browse: Browse
) -> None:
    path = reverse("keys:revoke", args=[acme.pk, acme_key[0].pk])
    clients = [browse(amir), browse(sonia)]

    answers: list[Any] = at_once(*[lambda client=client: client.post(path) for client in clients])

    assert [answer.status_code for answer in answers] == [303, 303]
    told = [page(client.get(answer["Location"])).text for client, answer in zip(clients, answers, strict=True)]
    assert sum("was revoked." in text for text in told) == 1
    assert sum("had been revoked already, by" in text for text in told) == 1


@pytest.mark.parametrize("has_live_key", [False, True])
def test_of_two_network_keys_generated_at_once_one_lives_and_the_other_is_told(
    has_live_key: bool, network: Any
) -> None:
    old = Key.generate_network_key(by=SETUP, replacing=None)[0] if has_live_key else None

    answers = at_once(*[lambda: Key.generate_network_key(by=SETUP, replacing=old)] * HOW_MANY)

    assert kinds(answers) == ["NetworkKeyChanged"] * (HOW_MANY - 1) + ["tuple"]
    ((key, secret),) = [answer for answer in answers if isinstance(answer, tuple)]
    assert Key.objects.of_network().live().get() == key
    assert Key.objects.opened_by(secret) == key
    assert Event.objects.filter(kind="network_key.generated").count() == 1 + has_live_key
    assert not any(isinstance(answer, NetworkKeyChanged) and secret in str(answer) for answer in answers)


def test_generate_pressed_twice_at_once_shows_one_key(nadia: User, browse: Browse) -> None:
    client = browse(nadia)
    path = reverse("keys:generate")
    data = page(client.get(path)).form(path).fields
    clients = [copy_of(client) for _ in range(2)]

    answers: list[Any] = at_once(*[lambda each=each: each.post(path, data) for each in clients])

    assert sorted(answer.status_code for answer in answers) == [200, 303]
    (shown,) = [answer for answer in answers if answer.status_code == 200]
    secret = page(shown).region("network-key-secret").text
    assert bytes(Key.objects.of_network().live().get().digest) == digest_of(secret)


def test_add_pressed_twice_at_once_issues_one_key(acme: Partner, amir: User, browse: Browse) -> None:
    client = browse(amir)
    path = reverse("keys:add", args=[acme.pk])
    data = {"label": "Billing", "submission": str(uuid.uuid4())}
    clients = [copy_of(client) for _ in range(HOW_MANY)]

    answers: list[Any] = at_once(*[lambda each=each: each.post(path, data) for each in clients])

    key = acme.keys.get()
    assert {answer["Location"] for answer in answers} == {reverse("keys:send", args=[acme.pk, key.pk])}
    assert Event.objects.filter(kind="key.issued").count() == 1


def test_the_verb_issues_one_key_for_a_form_submitted_at_once(acme: Partner) -> None:
    submission = uuid.uuid4()

    answers = at_once(*[lambda: Key.issue(partner=acme, label="Billing", submission=submission, by=SETUP)] * HOW_MANY)

    assert kinds(answers) == ["AlreadyIssued"] * (HOW_MANY - 1) + ["tuple"]
    assert {answer.key for answer in answers if isinstance(answer, AlreadyIssued)} == set(acme.keys.all())


def test_a_network_listed_by_two_people_at_once_is_listed_once(acme_key: tuple[Key, str]) -> None:
    key, _ = acme_key
    network = parse_network("203.0.113.7")

    answers = at_once(*[lambda: key.allow(network=network, label="", by=SETUP)] * HOW_MANY)

    assert kinds(answers) == ["AllowlistEntry"] + ["AlreadyListed"] * (HOW_MANY - 1)
    assert any(isinstance(answer, AlreadyListed) for answer in answers)
    assert Event.objects.filter(kind="allowlist.added").count() == 1


def test_keys_are_revealed_whole_and_revoked_while_they_are_sealed_anew(acme: Partner, settings: Any) -> None:
    first, second = "1:" + "A" * 43 + "=", "2:" + "B" * 43 + "="
    settings.KEY_ENCRYPTION_KEYS = [first]
    issued = [Key.issue(partner=acme, label=f"Key {number}", by=SETUP) for number in range(12)]
    settings.KEY_ENCRYPTION_KEYS = [second, first]

    def reveal_all() -> bool:
        return all(
            Key.objects.get(pk=key.pk).reveal(by=SETUP, how="shown") == secret
            for _ in range(4)
            for key, secret in issued[:9]
        )

    def revoke_some() -> bool:
        for key, _ in issued[9:]:
            Key.objects.get(pk=key.pk).revoke(by=SETUP)
        return True

    answers = at_once(
        lambda: call_command("rotate_encryption_keys", "--batch", "1"), reveal_all, revoke_some, reveal_all
    )

    assert answers == [None, True, True, True]
    assert Key.objects.sealed_under() == {2: 12}
    assert Key.objects.filter(revoked_at__isnull=False).count() == 3
    settings.KEY_ENCRYPTION_KEYS = [second]
    assert reveal_all()


def test_two_rotations_at_once_seal_every_key_and_lose_none(acme: Partner, settings: Any) -> None:
    first, second = "1:" + "A" * 43 + "=", "2:" + "B" * 43 + "="
    settings.KEY_ENCRYPTION_KEYS = [first]
    issued = [Key.issue(partner=acme, label=f"Key {number}", by=SETUP) for number in range(8)]
    settings.KEY_ENCRYPTION_KEYS = [second, first]

    answers = at_once(*[lambda: call_command("rotate_encryption_keys", "--batch", "3")] * 2)

    assert answers == [None, None]
    # Neither sealed what the other had sealed.
    assert sum(event.details["keys"] for event in Event.objects.filter(kind="encryption_key.rotated")) == 8
    assert [Key.objects.get(pk=key.pk).reveal(by=SETUP, how="shown") for key, _ in issued] == [
        secret for _, secret in issued
    ]


def copy_of(client: Client) -> Client:
    """The same browser, for another thread."""
    copy = Client()
    copy.cookies = client.cookies
    return copy


def test_of_two_reports_of_a_leaked_key_at_once_one_finds_it_known(acme_key: tuple[Key, str], network: Network) -> None:
    places = [Place("https://github.com/a"), Place("https://github.com/b")]

    answers = at_once(*[lambda: len(Leak.note(acme_key[0], places, by=SETUP))] * HOW_MANY)

    assert sorted(map(str, answers)) == ["0"] * (HOW_MANY - 1) + ["2"]
    assert Event.objects.filter(kind__in=["key.leaked", "key.revoked"]).count() == 2


def test_a_key_that_is_revoked_while_it_is_reported_is_revoked_once(
    acme_key: tuple[Key, str], network: Network
) -> None:
    revoked = Key.objects.get(pk=acme_key[0].pk)

    answers = at_once(
        lambda: len(Leak.note(acme_key[0], [Place("https://github.com/a")], by=SETUP)),
        lambda: revoked.revoke(by=SETUP),
    )

    assert answers[0] == 1
    assert answers[1] is None or isinstance(answers[1], AlreadyRevoked)
    assert Event.objects.filter(kind="key.revoked").count() == 1


def ask(partner: Partner) -> KeyRequest:
    return KeyRequest.make(partner=partner, purpose="Import", contact_email="a@acme.example", networks=[], by=SETUP)


def test_of_two_users_who_request_a_key_at_once_one_is_told_of_the_others(acme: Partner) -> None:
    answers = at_once(*[lambda: ask(acme)] * HOW_MANY)

    assert kinds(answers) == ["AlreadyRequested"] * (HOW_MANY - 1) + ["KeyRequest"]
    assert acme.key_requests.count() == 1
    assert Event.objects.filter(kind="key_request.made").count() == 1


def test_of_those_who_approve_decline_and_withdraw_at_once_one_decides(acme: Partner) -> None:
    wish = ask(acme)
    copies = [KeyRequest.objects.get(pk=wish.pk) for _ in range(6)]

    answers = at_once(
        *[lambda copy=copy: copy.approve(label="Import", networks=[], by=SETUP) for copy in copies[:2]],
        *[lambda copy=copy: copy.decline(reason="No", by=SETUP) for copy in copies[2:4]],
        *[lambda copy=copy: copy.withdraw(by=SETUP) for copy in copies[4:]],
    )

    assert [type(answer).__name__ for answer in answers].count("AlreadyDecided") == 5
    wish.refresh_from_db()
    assert not wish.is_open
    assert acme.keys.count() == (1 if wish.key else 0)
    ends = Event.objects.filter(kind__startswith="key_request.").exclude(kind="key_request.made")
    assert [event.kind for event in ends] == [f"key_request.{wish.state}"]


def test_two_managers_who_approve_at_once_are_both_answered(
    acme: Partner, amir: User, sonia: User, browse: Browse
) -> None:
    wish = ask(acme)
    path = reverse("keys:approve", args=[acme.pk, wish.pk])
    clients = [browse(amir), browse(sonia)]

    answers: list[Any] = at_once(
        *[lambda client=client: client.post(path, {"label": "Import", "networks": ""}) for client in clients]
    )

    key = acme.keys.get()
    places = [answer.get("Location", "") for answer in answers]
    assert places.count(reverse("keys:send", args=[acme.pk, key.pk])) == 1
    # The other one is told, by the dialog or on the page that it is sent to.
    (other,) = [answer for answer, place in zip(answers, places, strict=True) if "send" not in place]
    told = other if other.status_code == 200 else clients[answers.index(other)].get(other["Location"])
    assert "approved" in page(told).text and "already" in page(told).text.lower()
