"""What the limits on sensitive actions count by."""

from __future__ import annotations

from django.http import HttpRequest

from portal.web.client_ip import client_ip


def by_client_ip(group: str, request: HttpRequest) -> str:
    return str(client_ip(request))


def by_user(group: str, request: HttpRequest) -> str:
    """The person at the keyboard: the impersonator, when there is one."""
    impersonator = getattr(request, "impersonator", None)
    return str((impersonator or request.user).pk)
