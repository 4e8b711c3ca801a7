from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils.timezone import now
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from keys.leaks.models import MOST_OF_A_KEY, Leak, SigningKey
from keys.leaks.reports import MOST_REPORTED
from keys.models import Key, ShareLink
from keys.secret import AFFILIATE_PREFIX, SHARE_PREFIX, new_secret
from partners.models import Partner
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.leaks import holds_any, said

pytestmark = pytest.mark.django_db

IDENTIFIER = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
URL = "https://github.com/octocat/Hello-World/blob/1234/foo/bar.txt"
REFUSED = {"error": "The report is not signed by anybody who may make one."}

Report = Callable[..., Any]


@pytest.fixture
def signer(settings: Any) -> ec.EllipticCurvePrivateKey:
    """The private half of the one key that reports may be signed with."""
    made = ec.generate_private_key(ec.SECP256R1())
    der = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    settings.LEAK_SIGNING_KEYS = [f"{IDENTIFIER}:{base64.b64encode(der).decode()}"]
    return made


def signature_of(body: bytes, signer: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(signer.sign(body, ec.ECDSA(SHA256()))).decode()


@pytest.fixture
def report(signer: ec.EllipticCurvePrivateKey, network: Network, client: Client) -> Report:
    """``report(match, …)``: GitHub reports the matches; ``report(body=b"…")``: it sends just that."""

    def send(*matches: dict[str, Any], body: bytes | None = None, path: str = "/leaks") -> Any:
        raw = json.dumps(matches).encode() if body is None else body
        headers = {
            "Github-Public-Key-Identifier": IDENTIFIER,
            "Github-Public-Key-Signature": signature_of(raw, signer),
        }
        return client.post(path, raw, content_type="application/json", headers=headers)

    return send


def match(token: str, **more: Any) -> dict[str, Any]:
    return {"type": "latchkey_key", "token": token, "url": URL, "source": "content"} | more


def labels(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [each["label"] for each in answer.json()]


@pytest.fixture
def flag_only(network: Network) -> None:
    network.change(by=SETUP, revokes_leaked_keys=False)


@pytest.fixture
def work() -> Callable[[], None]:
    """``work()``: does what the worker would do with the jobs that wait, and with those that they make."""

    def run() -> None:
        while jobs := list(ProcrastinateJob.objects.filter(status="todo").order_by("id")):
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM procrastinate_events; DELETE FROM procrastinate_jobs")
            for job in jobs:
                app.tasks[job.task_name](**job.args)

    return run


def test_a_key_that_was_found_in_public_is_revoked(report: Report, acme_key: tuple[Key, str], acme: Partner) -> None:
    key, secret = acme_key

    answer = report(match(secret))

    assert answer.status_code == 200
    assert answer.json() == [
        {
            "token_hash": hashlib.sha256(secret.encode()).hexdigest(),
            "token_type": "latchkey_key",
            "label": "true_positive",
        }
    ]
    key.refresh_from_db()
    assert key.revoked_by == "GitHub secret scanning"
    event = Event.objects.get(kind="key.leaked")
    assert (event.actor_label, event.subject_id, event.partner_id) == ("GitHub secret scanning", key.pk, acme.pk)
    assert event.details == {"found at": URL}
    assert event.ip == "127.0.0.1"
    assert Event.objects.filter(kind="key.revoked", subject_id=key.pk).count() == 1


def test_a_network_may_have_leaked_keys_flagged_and_not_revoked(
    report: Report, acme_key: tuple[Key, str], flag_only: None
) -> None:
    key, secret = acme_key

    assert labels(report(match(secret))) == ["true_positive"]

    key.refresh_from_db()
    assert key.is_live
    assert [(leak.url, leak.source, leak.dismissed_at) for leak in key.leaks.all()] == [(URL, "content", None)]
    assert Event.objects.filter(kind="key.leaked", subject_id=key.pk).count() == 1


def test_the_same_report_again_changes_nothing(
    report: Report, acme_key: tuple[Key, str], flag_only: None, network: Network
) -> None:
    key, secret = acme_key
    report(match(secret))
    before = Event.objects.count()
    Leak.dismiss(key, seen=Leak.objects.get().pk, reason="A test", by=SETUP)
    network.change(by=SETUP, revokes_leaked_keys=True)

    answers = [report(match(secret)), report(match(secret), match(secret))]

    assert [labels(answer) for answer in answers] == [["true_positive"], ["true_positive"] * 2]
    key.refresh_from_db()
    assert key.is_live
    assert Event.objects.count() == before + 2
    assert Leak.objects.get().dismissed_at is not None


def test_another_place_of_a_revoked_key_is_noted_and_revokes_nothing_twice(
    report: Report, acme_key: tuple[Key, str], paul: User
) -> None:
    key, secret = acme_key
    report(match(secret))
    told = paul.notifications.filter(kind="key.leaked")
    assert told.count() == 1

    assert labels(report(match(secret, url=f"{URL}#2"), match(secret, url=""))) == ["true_positive"] * 2

    assert Event.objects.filter(kind="key.revoked").count() == 1
    events = Event.objects.filter(kind="key.leaked").order_by("-pk")
    assert events[0].details == {"found at": f"{URL}#2, a place without a name"}
    assert key.leaks.count() == 3
    assert told.count() == 1


def test_a_key_that_was_revoked_long_ago_is_named_a_true_one_and_alarms_nobody(
    report: Report, acme_key: tuple[Key, str], paul: User
) -> None:
    key, secret = acme_key
    key.revoke(by=SETUP)

    assert labels(report(match(secret))) == ["true_positive"]

    key.refresh_from_db()
    assert key.revoked_by == str(SETUP.label)
    assert Event.objects.filter(kind="key.leaked", subject_id=key.pk).exists()
    assert not paul.notifications.filter(kind="key.leaked").exists()


def test_the_network_key_is_revoked_too(report: Report) -> None:
    key, secret = Key.generate_network_key(by=SETUP, replacing=None)

    assert labels(report(match(secret))) == ["true_positive"]

    key.refresh_from_db()
    assert not key.is_live
    assert Event.objects.get(kind="key.leaked").partner_id is None


@pytest.mark.parametrize("revokes", [True, False])
def test_a_one_time_link_is_closed_and_its_key_works_on(
    report: Report, acme_key: tuple[Key, str], network: Network, client: Client, revokes: bool
) -> None:
    key, _ = acme_key
    network.change(by=SETUP, revokes_leaked_keys=revokes)
    token, second = (ShareLink.make(key, by=SETUP)[1] for _ in range(2))

    assert labels(report(match(token), match(second))) == ["true_positive"] * 2

    key.refresh_from_db()
    assert key.is_live
    opened = client.post(f"/shared/{token}/"), client.post(f"/shared/{second}/")
    assert [answer.status_code for answer in opened] == [410, 410]
    assert "found where strangers could read it" in opened[0].content.decode()
    assert Event.objects.get(kind="key.leaked").details == {"found at": URL, "one-time link": "closed"}
    assert [leak.what for leak in key.leaks.all()] == ["link"]


def test_a_one_time_link_that_was_used_is_noted(report: Report, acme_key: tuple[Key, str]) -> None:
    link, token = ShareLink.make(acme_key[0], by=SETUP)
    link.view(by=SETUP)

    assert labels(report(match(token))) == ["true_positive"]

    assert Event.objects.get(kind="key.leaked").details["one-time link"] == "showed nothing any more"


def test_what_is_no_secret_of_this_network_is_a_false_positive(report: Report) -> None:
    tokens = [new_secret(AFFILIATE_PREFIX), new_secret(SHARE_PREFIX), "lk_aff_" + "x" * 38, "ghp_something", ""]

    assert labels(report(*(match(token) for token in tokens))) == ["false_positive"] * 5

    assert not Leak.objects.exists()
    assert not Event.objects.filter(kind="key.leaked").exists()


def test_a_key_with_something_around_it_is_found(report: Report, acme_key: tuple[Key, str]) -> None:
    assert labels(report(match(f"key='{acme_key[1]}';"))) == ["true_positive"]


def test_a_key_in_the_url_is_masked_wherever_the_url_is_kept(
    report: Report, acme_key: tuple[Key, str], flag_only: None, work: Callable[[], None], nadia: User
) -> None:
    _, secret = acme_key
    hidden = quote(quote(f"ü?k={secret}"))

    report(match(secret, url=f"{URL}?key={secret}"), match(secret, url=f"{URL}?{hidden}"), match(secret, url="\x00"))
    work()

    kept = sorted(leak.url for leak in Leak.objects.all())
    assert kept == ["%00", f"{URL}?%C3%BC?k=lk_aff_[redacted]", f"{URL}?key=lk_aff_[redacted]"]
    assert "lk_aff_[redacted]" in mail.outbox[0].body
    assert not holds_any(str([message.message() for message in mail.outbox]), [secret])


def test_more_places_than_anybody_would_look_at_are_not_kept(
    report: Report, acme_key: tuple[Key, str], flag_only: None
) -> None:
    key, secret = acme_key

    report(*(match(secret, url=f"{URL}#{number}") for number in range(MOST_OF_A_KEY + 5)))
    report(match(secret, url=f"{URL}#one-more"))

    assert key.leaks.count() == MOST_OF_A_KEY
    details = Event.objects.get(kind="key.leaked").details
    assert details["found at"] == f"{URL}#0, {URL}#1, {URL}#2 and {MOST_OF_A_KEY - 3} more"


def test_the_owner_and_the_network_are_told(
    report: Report, acme_key: tuple[Key, str], acme: Partner, cast: list[User], work: Callable[[], None]
) -> None:
    key, secret = acme_key
    sonia, nadia, amir, vera, paul, _ = cast
    acme.change(by=SETUP, manager=vera)

    report(match(secret), match(secret, url="https://gist.github.com/2"))
    work()

    told = {message.to[0]: message for message in mail.outbox if "found in public" in message.subject}
    assert sorted(told) == sorted(user.email for user in (sonia, nadia, amir, vera, paul))
    assert not [message.subject for message in mail.outbox if "revoked" in message.subject]
    own, theirs = told[paul.email], told[nadia.email]
    assert own.subject == f"{key} was found in public"
    assert f"Found at: {URL}, https://gist.github.com/2" in own.body
    assert "The key was revoked: it opens nothing any more." in own.body
    assert "/account/api/" in own.body
    assert theirs.subject == f"Acme Media: {key} was found in public"
    assert f"/partners/{acme.pk}/api/" in theirs.body
    assert URL in str(theirs.message())
    assert paul.notifications.filter(kind="key.leaked").count() == 1


def test_what_a_mail_says_fits_what_was_done(
    report: Report, acme_key: tuple[Key, str], flag_only: None, paul: User, work: Callable[[], None]
) -> None:
    _, token = ShareLink.make(acme_key[0], by=SETUP)

    report(match(token, url="https://github.com/link"))
    report(match(acme_key[1]))
    work()

    of_link, of_key = (message for message in mail.outbox if message.to == [paul.email])
    assert of_link.subject == f"A one-time link to {acme_key[0]} was found in public"
    assert "The link is closed." in of_link.body
    assert "The key still works, for whoever has read it too." in of_key.body


def test_of_the_network_key_its_admins_are_told(report: Report, cast: list[User], work: Callable[[], None]) -> None:
    sonia, nadia, *_ = cast
    _, secret = Key.generate_network_key(by=SETUP, replacing=None)

    report(match(secret))
    work()

    told = [message for message in mail.outbox if "found in public" in message.subject]
    assert sorted(message.to[0] for message in told) == sorted([sonia.email, nadia.email])
    assert "/system/api/" in told[0].body


def forged(client: Client, body: bytes, **headers: str) -> Any:
    return client.post("/leaks", body, content_type="application/json", headers=headers)


def test_whoever_does_not_sign_learns_nothing_and_changes_nothing(
    signer: ec.EllipticCurvePrivateKey, acme_key: tuple[Key, str], client: Client
) -> None:
    key, secret = acme_key
    body = json.dumps([match(secret)]).encode()
    stranger = ec.generate_private_key(ec.SECP256R1())
    by, sign = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
    good = signature_of(body, signer)

    answers = [
        forged(client, body),
        forged(client, body, **{by: IDENTIFIER}),
        forged(client, body, **{sign: good}),
        forged(client, body, **{by: "0" * 64, sign: good}),
        forged(client, body, **{by: "x\n" * 400, sign: good}),
        forged(client, body, **{by: IDENTIFIER, sign: signature_of(body, stranger)}),
        forged(client, body, **{by: IDENTIFIER, sign: "§§§"}),
        forged(client, body, **{by: IDENTIFIER, sign: base64.b64encode(b"no signature").decode()}),
        forged(client, body + b" ", **{by: IDENTIFIER, sign: good}),
        forged(client, b"no array", **{by: IDENTIFIER, sign: good}),
        forged(client, b"", **{by: IDENTIFIER, sign: good}),
        forged(client, json.dumps([match("lk_aff_x")]).encode(), **{by: IDENTIFIER, sign: good}),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.json() == REFUSED for answer in answers)
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    key.refresh_from_db()
    assert key.is_live
    assert not Leak.objects.exists()
    assert sum("was refused: " in line for line in said) == len(answers)
    assert any("the key it names is not known" in line for line in said)


def test_nobody_may_report_where_no_key_is_configured(client: Client, acme_key: tuple[Key, str]) -> None:
    signer = ec.generate_private_key(ec.SECP256R1())
    body = json.dumps([match(acme_key[1])]).encode()

    answer = forged(
        client,
        body,
        **{"Github-Public-Key-Identifier": IDENTIFIER, "Github-Public-Key-Signature": signature_of(body, signer)},
    )

    assert (answer.status_code, answer.json()) == (401, REFUSED)


@pytest.mark.parametrize(("is_current", "status"), [(True, 200), (False, 401)])
def test_a_key_that_was_fetched_is_good_while_it_is_current(
    client: Client, acme_key: tuple[Key, str], network: Network, is_current: bool, status: int
) -> None:
    signer = ec.generate_private_key(ec.SECP256R1())
    pem = signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    SigningKey.objects.create(identifier="fetched", public_key=pem, is_current=is_current, listed_at=now())
    body = json.dumps([match(acme_key[1])]).encode()

    answer = forged(
        client,
        body,
        **{"Github-Public-Key-Identifier": "fetched", "Github-Public-Key-Signature": signature_of(body, signer)},
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b'[{"token": 1, "type": "x"}]',
        b'[{"type": "x"}]',
        b'[{"token": "x"}]',
        b"[" * 100_000,
        b'[{"token": "\\ud800", "type": "x"}]',
        b"\xff\xfe",
    ],
)
def test_what_is_no_report_is_a_bad_request(report: Report, body: bytes) -> None:
    answer = report(body=body)

    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The report is no array of objects with token, type, url and source.",
    )


def test_an_empty_report_is_answered(report: Report) -> None:
    assert labels(report()) == []


def test_a_report_with_nothing_but_what_must_be_there_is_taken(report: Report, acme_key: tuple[Key, str]) -> None:
    body = json.dumps([{"token": acme_key[1], "type": "x", "url": None, "more": 1}]).encode()

    assert labels(report(body=body)) == ["true_positive"]


def test_too_much_at_once_is_refused(report: Report, acme_key: tuple[Key, str]) -> None:
    many = report(*[match("x", url="")] * (MOST_REPORTED + 1))
    long = report(body=json.dumps([match(acme_key[1], url="x" * 1_100_000)]).encode())

    assert (many.status_code, long.status_code) == (413, 413)
    assert acme_key[0].leaks.count() == 0


def test_many_matches_are_looked_up_together(
    report: Report, acme_key: tuple[Key, str], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(25):
        report(*(match(new_secret(AFFILIATE_PREFIX)) for _ in range(300)), match(acme_key[1]))


@pytest.mark.parametrize("path", ["/leaks", "/leaks/"])
def test_a_report_needs_no_cookie_no_token_and_follows_no_redirect(
    report: Report, acme_key: tuple[Key, str], path: str, settings: Any, sonia: User, browse: Browse
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    answer = report(match(acme_key[1]), path=path)

    assert answer.status_code == 200
    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_only_a_post_reports(client: Client, method: str) -> None:
    answer = getattr(client, method)("/leaks")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_an_address_may_send_so_many_reports_and_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = {"should_limit": True, "time_left": 7}
    monkeypatch.setattr("portal.web.limits.get_usage", lambda *given, **named: spent)

    answer = client.post("/leaks", b"[]", content_type="application/json")

    assert (answer.status_code, answer["Retry-After"]) == (429, "7")


def test_what_could_not_be_settled_may_be_sent_again(
    report: Report, acme_key: tuple[Key, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Leak, "note", lambda *given, **named: 1 / 0)
        failed = report(match(acme_key[1]))

    assert (failed.status_code, "Retry-After" in failed) == (503, True)
    assert labels(report(match(acme_key[1]))) == ["true_positive"]
