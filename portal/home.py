from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from portal.accounts.rights import SIGNED_IN
from portal.web.access import requires
from portal.web.requests import UserRequest


@require_safe
@requires(SIGNED_IN)
def home(request: UserRequest) -> HttpResponse:
    """Sends everyone to the first page of their platform."""
    return redirect("reporting:dashboard" if request.user.is_partner_user else "partners:manage")
