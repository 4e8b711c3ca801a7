from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from keys.models import CannotRequest, KeyRequest, RequestsTurnedOff
from partners.models import Partner


def own_keys(request: HttpRequest) -> dict[str, Any]:
    """Of the partner whose user is signed in; asked of the database only where a page asks for it.

    ``has_live_key``: whether My Account has its API tab. ``own_key_request``: its newest request for a key, unless
    that was withdrawn, or declined before it was given a key all the same. ``may_request_key``: whether it may ask for
    one.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_partner_user:
        return {"has_live_key": False, "own_key_request": None, "may_request_key": False}
    return {
        "has_live_key": SimpleLazyObject(lambda: user.partner.keys.live().exists()),
        "own_key_request": SimpleLazyObject(lambda: newest_request(user.partner)),
        "may_request_key": SimpleLazyObject(lambda: may_request(user.partner)),
    }


def newest_request(partner: Partner) -> KeyRequest | None:
    request = partner.key_requests.kept().newest_first().first()
    if request is not None and request.declined_at and partner.keys.filter(created_at__gt=request.declined_at).exists():
        return None
    return request


def may_request(partner: Partner) -> bool:
    try:
        KeyRequest.ensure_possible(partner)
    except (RequestsTurnedOff, CannotRequest):
        return False
    return True
