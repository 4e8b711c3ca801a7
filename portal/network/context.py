from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.network.models import Network


def network(request: HttpRequest) -> dict[str, Any]:
    """What base.html needs on every page: the network, and the platform whose navigation it shows."""
    user = getattr(request, "user", None)
    platform = None
    if user is not None and user.is_authenticated:
        platform = "partner" if user.is_partner_user else "core"
    return {"network": SimpleLazyObject(Network.load), "platform": platform}
