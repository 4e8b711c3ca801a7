from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apilog.patterns.models import Pattern
from portal.accounts.rights import VIEW_SYSTEM_SETTINGS


def open_patterns(request: HttpRequest) -> dict[str, Any]:
    """``open_patterns``: how many the navigation shows, counted where a page asks. None for who may not see them."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not VIEW_SYSTEM_SETTINGS.is_held_by(user):
        return {"open_patterns": None}
    return {"open_patterns": SimpleLazyObject(Pattern.objects.open().count)}
