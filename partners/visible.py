"""Which partner a page is about, for who is asking."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from partners.models import Partner
from portal.web.requests import UserRequest


def own_partner(request: UserRequest) -> Partner:
    """The partner whose user is asking, with its manager; 404 for a user of none."""
    return get_object_or_404(Partner.objects.select_related("manager"), pk=request.user.partner_id)
