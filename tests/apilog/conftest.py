from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apilog.models import LoggedCall, write_alone
from keys.gate import Call, Outcome, Realm
from keys.models import Key
from portal.web.client_ip import parse_address
from portal.web.ids import first_id_at

Log = Callable[..., LoggedCall]

STATUSES = {
    Outcome.OK: 200,
    Outcome.BAD_REQUEST: 400,
    Outcome.NO_KEY: 401,
    Outcome.UNKNOWN_KEY: 401,
    Outcome.REVOKED_KEY: 401,
    Outcome.EXPIRED_KEY: 401,
    Outcome.WRONG_REALM: 403,
    Outcome.IP_DENIED: 403,
    Outcome.RATE_LIMITED: 429,
    Outcome.NOT_FOUND: 404,
    Outcome.METHOD_NOT_ALLOWED: 405,
    Outcome.UNRELEASED: 418,
    Outcome.ERROR: 500,
}


@pytest.fixture
def log(db: None) -> Log:
    """``log(key, at=…, outcome=…)``: a call of the past, written as the gate writes it."""

    def write(
        key: Key | None = None, *, at: datetime | None = None, outcome: Outcome = Outcome.OK, **other: Any
    ) -> LoggedCall:
        at = at or timezone.now()
        call = Call(
            method=other.get("method", "GET"),
            path=other.get("path", "/v1/affiliates/affiliate"),
            query=other.get("query", ""),
            user_agent=other.get("user_agent", "curl/8.5"),
            ip=parse_address(other.get("ip", "203.0.113.7")),
            id=UUID(int=first_id_at(at).int | secrets.randbits(72)),
            received_at=at,
            started=0.0,
            action=other.get("action", "read_affiliate_account"),
            realm=Realm(key.realm) if key else other.get("realm"),
            key_id=key.pk if key else None,
            key_hint=key.hint if key else "",
            partner_id=key.partner_id if key else None,
            limited_by=other.get("limited_by", ""),
            outcome=outcome,
            status=other.get("status", STATUSES[outcome]),
            duration_us=other.get("duration_us", 2_500),
            response_size=512,
        )
        write_alone(call)
        return LoggedCall.objects.get(pk=call.id)

    return write
