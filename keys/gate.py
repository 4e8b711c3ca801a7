"""The gate that every call passes: which key it carries, what that opens, and from where (design.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

import uuid_utils
from django.db.models import Q
from django.http import HttpRequest

from keys.models import Key
from keys.secret import LOOKS_LIKE_A_KEY
from portal.web.client_ip import Address, client_ip

if TYPE_CHECKING:
    from partners.models import Partner

Realm = Key.Realm
LAST_USED_EVERY = timedelta(minutes=1)


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
    """The call ends here, with this status and sentence for the client and this outcome for the log."""

    def __init__(self, outcome: Outcome, status: int, sentence: str) -> None:
        self.outcome = outcome
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


@dataclass
class Call:
    """One API request on its way through the gate; what it has become is its row in the API Log."""

    method: str
    path: str
    query: str
    user_agent: str
    ip: Address | None
    id: UUID = field(default_factory=lambda: UUID(int=uuid_utils.uuid7().int))
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=perf_counter)
    action: str = ""
    realm: Realm | None = None
    key: Key | None = None
    outcome: Outcome = Outcome.OK
    status: int = 200
    response_size: int = 0

    @classmethod
    def of(cls, request: HttpRequest) -> Call:
        return cls(
            method=request.method or "",
            path=request.path_info,
            query=request.META.get("QUERY_STRING", ""),
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
            ip=client_ip(request),
        )

    @property
    def partner(self) -> Partner:
        """The partner whose key this is: where every query of the Affiliate API starts."""
        assert self.key is not None and self.key.partner is not None
        return self.key.partner


REFUSED_KEY = "The API key is not valid. Check that it is complete and has not been revoked."


def refuse_key_in_url(call: Call) -> None:
    """:raises Refused: 400, because URLs end up in histories, proxies and logs"""
    if LOOKS_LIKE_A_KEY.search(call.path) or LOOKS_LIKE_A_KEY.search(unquote(call.query)):
        raise Refused(
            Outcome.BAD_REQUEST,
            400,
            "The URL contains an API key. URLs are kept in logs and histories: send the key in the Authorization "
            "header instead, and have this one replaced.",
        )


def admit(request: HttpRequest, call: Call, realm: Realm) -> None:
    """Steps 3 to 5: the key, its realm, the client's address. Afterwards ``call.key`` is whose call it is.

    :raises Refused: with 400, 401 or 403
    """
    call.realm = realm
    secret = presented_key(request)
    # Read anew for every call, never cached: a revocation acts on the very next one.
    key = Key.objects.opened_by(secret)
    if key is None:
        raise Refused(Outcome.UNKNOWN_KEY, 401, REFUSED_KEY)
    call.key = key
    if key.state is Key.State.REVOKED:
        raise Refused(Outcome.REVOKED_KEY, 401, REFUSED_KEY)
    if key.state is Key.State.EXPIRED:
        raise Refused(Outcome.EXPIRED_KEY, 401, REFUSED_KEY)
    if key.realm != realm:
        raise Refused(
            Outcome.WRONG_REALM,
            403,
            f"This key opens the {Realm(key.realm).label}; this path belongs to the {realm.label}.",
        )
    if not key.admits(call.ip):
        raise Refused(
            Outcome.IP_DENIED,
            403,
            f"This key may not be used from {call.ip}: it is not on its allowlist.",
        )
    note_use(key, call)


def presented_key(request: HttpRequest) -> str:
    """The key a request carries, in whichever of the three headers.

    :raises Refused: 401 when there is none, 400 when there are several that differ
    """
    found = {
        text
        for text in (
            bearer(request.headers.get("Authorization", "")),
            request.headers.get("X-Eflow-API-Key", "").strip(),
            request.headers.get("X-API-Key", "").strip(),
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


def note_use(key: Key, call: Call) -> None:
    """Keeps when and from where the key was last used, at most once a minute: the log has every call."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=call.received_at - LAST_USED_EVERY)
    if key.last_used_at is None or key.last_used_at < call.received_at - LAST_USED_EVERY:
        Key.objects.filter(stale, pk=key.pk).update(
            last_used_at=call.received_at,
            last_used_ip=str(call.ip) if call.ip else None,
        )
