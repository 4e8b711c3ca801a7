"""The gate that every call passes: which key it carries, what that opens, and from where (design.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from django.db import DataError, connection
from django.http import HttpRequest

from keys.models import Key
from keys.secret import digest_of, is_well_formed, mentions_a_key
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.web.client_ip import Address, client_ip
from portal.web.combining import Combiner
from portal.web.ids import new_id

if TYPE_CHECKING:
    from portal.web.api import OperationLimit

Realm = Key.Realm


class Outcome(StrEnum):
    """Why a call ended as it did."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    NO_KEY = "no_key"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED_KEY = "expired_key"
    WRONG_REALM = "wrong_realm"
    IP_DENIED = "ip_denied"
    RATE_LIMITED = "rate_limited"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNRELEASED = "unreleased"
    ERROR = "error"


class Refused(Exception):
    """The call ends here, with this status and sentence for the client and this outcome for the log.

    ``retry_after``: in how many seconds it may come again, when that is not the end of its budget's window.
    """

    def __init__(self, outcome: Outcome, status: int, sentence: str, *, retry_after: int | None = None) -> None:
        self.outcome = outcome
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after
        super().__init__(sentence)


@dataclass(slots=True)
class Call:
    """One API request on its way through the gate; what it has become is its row in the API Log."""

    method: str
    path: str
    query: str
    user_agent: str
    ip: Address | None
    id: UUID
    received_at: datetime
    started: float
    action: str = ""
    realm: Realm | None = None
    key_id: int | None = None
    key_hint: str = ""
    partner_id: int | None = None
    budget: Budget | None = None
    limited_by: str = ""
    outcome: Outcome = Outcome.OK
    status: int = 200
    duration_us: int = 0
    response_size: int = 0
    is_recorded: bool = False
    _partner: Partner | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Call:
        return cls(
            method=request.method or "",
            path=request.path_info,
            query=request.META.get("QUERY_STRING", ""),
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
            ip=client_ip(request),
            id=new_id(),
            received_at=datetime.now(UTC),
            started=perf_counter(),
        )

    @property
    def partner(self) -> Partner:
        """The partner whose key this is: where every query of the Affiliate API starts."""
        assert self._partner is not None
        return self._partner

    @property
    def actor(self) -> Actor:
        """Who changes what this call changes: the key, known by its hint, from the address it was used from."""
        assert self.key_id is not None
        return Actor.of_key(hint=self.key_hint, partner=self._partner, key_id=self.key_id, ip=self.ip)

    def verdict_by_now(self) -> Outcome:
        """What the gate would say of the key and the address at this moment, for answers that go on for long. It spends
        nothing."""
        with connection.cursor() as cursor:
            cursor.execute(VERDICT_BY_NOW, [str(self.ip) if self.ip else None, self.key_id])
            row = cursor.fetchone()
        return Outcome(row[0]) if row is not None else Outcome.UNKNOWN_KEY


# As keys_admit has it; a test holds the two against each other.
VERDICT_BY_NOW = """
SELECT CASE
    WHEN k.revoked_at IS NOT NULL THEN 'revoked_key'
    WHEN k.expires_at <= clock_timestamp() THEN 'expired_key'
    WHEN EXISTS (SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id) AND NOT EXISTS (
        SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id AND e.network >>= %s::inet
    ) THEN 'ip_denied'
    ELSE 'ok'
END
FROM keys_key k WHERE k.id = %s
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left, after this call, of the limit on it that has least left."""

    name: str
    quota: int
    seconds: int
    remaining: int
    resets_in: int

    @property
    def headers(self) -> dict[str, str]:
        """The figures under the names that clients look for, and under those of the IETF draft."""
        return {
            "X-RateLimit-Limit": str(self.quota),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.resets_in),
            "RateLimit-Policy": f'"{self.name}";q={self.quota};w={self.seconds}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.resets_in}',
        }


REFUSED_KEY = "The API key is not valid. Check that it is complete and has not been revoked."


def refuse_key_in_url(call: Call) -> None:
    """:raises Refused: 400, because URLs end up in histories, proxies and logs"""
    if mentions_a_key(call.path) or mentions_a_key(call.query):
        raise Refused(
            Outcome.BAD_REQUEST,
            400,
            "The URL contains an API key. URLs are kept in logs and histories: send the key in the Authorization "
            "header instead, and have this one replaced.",
        )


def admit(request: HttpRequest, call: Call, realm: Realm, limit: OperationLimit | None = None) -> None:
    """Steps 3 to 6: the key, its realm, the client's address, the budget. Afterwards the call is known to its partner.

    :raises Refused: with 400, 401, 403 or 429
    """
    heed(call, decide(question_of(request, call, realm, limit)))


def question_of(request: HttpRequest, call: Call, realm: Realm, limit: OperationLimit | None) -> Question:
    """What the database has to be asked about the call; it is not asked about a key that cannot be one.

    :raises Refused: with 400 or 401
    """
    call.realm = realm
    secret = presented_key(request)
    if not is_well_formed(secret):
        raise Refused(Outcome.UNKNOWN_KEY, 401, REFUSED_KEY)
    return Question(digest_of(secret), call.ip, realm, limit)


def heed(call: Call, decision: Decision) -> None:
    """Puts what was decided on the call.

    :raises Refused: with 401, 403 or 429
    """
    call.key_id, call.key_hint, call.partner_id = decision.key_id, decision.key_hint or "", decision.partner_id
    call.budget, call.limited_by = decision.budget, decision.limited_by
    if decision.verdict is not Outcome.OK:
        raise refusal(call, decision)
    call._partner = decision.partner


def refusal(call: Call, decision: Decision) -> Refused:
    """What a verdict means to the client. Unknown, revoked and expired keys get one answer; the log knows which."""
    if decision.verdict is Outcome.WRONG_REALM:
        opens, asked = (
            (Realm.NETWORK, Realm.AFFILIATE) if call.realm is Realm.AFFILIATE else (Realm.AFFILIATE, Realm.NETWORK)
        )
        sentence = f"This key opens the {opens.label}; this path belongs to the {asked.label}."
        return Refused(decision.verdict, 403, sentence)
    if decision.verdict is Outcome.IP_DENIED:
        sentence = f"This key may not be used from {call.ip}: the address is not on its allowlist."
        return Refused(decision.verdict, 403, sentence)
    if decision.verdict is Outcome.RATE_LIMITED:
        assert decision.budget is not None
        sentence = f"{LIMITED_BY.get(decision.limited_by, 'The limit on this operation')} is spent. "
        return Refused(decision.verdict, 429, f"{sentence}Try again in {decision.budget.resets_in} s.")
    return Refused(decision.verdict, 401, REFUSED_KEY)


LIMITED_BY = {"network": "The network's budget of calls", "key": "This key's share of the network's budget"}


@dataclass(frozen=True, slots=True)
class Question:
    """What the database is asked about one call."""

    digest: bytes
    ip: Address | None
    realm: Realm
    limit: OperationLimit | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the database decided about one call."""

    verdict: Outcome
    key_id: int | None
    key_hint: str | None
    partner_id: int | None
    limited_by: str
    budget: Budget | None
    partner: Partner | None


PARTNER_FIELDS = [field.attname for field in Partner._meta.concrete_fields]
ADMIT = f"""
SELECT a.verdict, a.key_id, a.key_hint, a.partner_id, a.limited_by, a.tightest, a.quota, a.per_seconds,
    a.remaining, a.resets_in, {", ".join(f"p.{connection.ops.quote_name(name)}" for name in PARTNER_FIELDS)}
FROM keys_admit(%s::bytea[], %s::inet[], %s::text[], %s::text[], %s::integer[], %s::integer[]) a
LEFT JOIN partners_partner p ON p.id = a.partner_id
ORDER BY a.ordinal
"""  # noqa: S608


def decide_together(questions: list[Question]) -> list[Decision]:
    """Decides over the calls of all threads that wait, in one statement and one commit (ADR 8).

    Keys are read anew each time, never cached, so a revocation acts on the very next call.
    """
    connection.ensure_connection()
    # Prepared on the server, because planning costs as much as running; Django's own cursor would send it as text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            ADMIT,
            [
                [question.digest for question in questions],
                [question.ip for question in questions],
                [question.realm.value for question in questions],
                [question.limit.name if question.limit else "" for question in questions],
                [question.limit.requests if question.limit else None for question in questions],
                [question.limit.seconds if question.limit else None for question in questions],
            ],
            prepare=True,
            binary=True,
        )
        return [decision(row) for row in cursor.fetchall()]


def decision(row: tuple[Any, ...]) -> Decision:
    verdict, key_id, key_hint, partner_id, limited_by, tightest, quota, seconds, remaining, resets_in = row[:10]
    return Decision(
        verdict=Outcome(verdict),
        key_id=key_id,
        key_hint=key_hint,
        partner_id=partner_id,
        limited_by=limited_by,
        # A window's end rounds up, so that who waits as long as told does not come a moment early.
        budget=Budget(tightest, quota, seconds, remaining, max(1, ceil(resets_in))) if tightest else None,
        partner=Partner.from_db("default", PARTNER_FIELDS, row[10:]) if partner_id is not None else None,
    )


decide = Combiner(decide_together, by_an_item=(DataError,))


def presented_key(request: HttpRequest) -> str:
    """The key a request carries, in whichever of the three headers.

    :raises Refused: 401 when there is none, 400 when there are several that differ
    """
    given = request.META
    found = {
        text
        for text in (
            bearer(given.get("HTTP_AUTHORIZATION", "")),
            given.get("HTTP_X_EFLOW_API_KEY", "").strip(),
            given.get("HTTP_X_API_KEY", "").strip(),
        )
        if text
    }
    if not found:
        raise Refused(
            Outcome.NO_KEY,
            401,
            "The call carries no API key. Send it as “Authorization: Bearer KEY”, or as X-Eflow-API-Key or X-API-Key.",
        )
    if len(found) > 1:
        raise Refused(
            Outcome.BAD_REQUEST,
            400,
            "The call carries different API keys in its headers. Send one.",
        )
    return found.pop()


def bearer(header: str) -> str:
    scheme, _, text = header.strip().partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
