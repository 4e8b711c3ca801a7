from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


def own_keys(request: HttpRequest) -> dict[str, Any]:
    """``has_live_key``: whether My Account has its API tab. Asked of the database only where a page asks for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_partner_user:
        return {"has_live_key": False}
    return {"has_live_key": SimpleLazyObject(lambda: user.partner.keys.live().exists())}
