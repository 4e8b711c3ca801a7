"""Which partner a page is about, for who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from django.shortcuts import get_object_or_404

from partners.models import Partner
from portal.web.requests import UserRequest


def own_partner(request: UserRequest) -> Partner:
    """The partner whose user is asking, with its manager; 404 for a user of none."""
    return get_object_or_404(Partner.objects.select_related("manager"), pk=request.user.partner_id)


@dataclass(frozen=True)
class PartnerPlace:
    """A partner, and where something of it is shown: among its own pages, or on Partner Details."""

    partner: Partner
    is_own: bool

    @classmethod
    def own(cls, request: UserRequest) -> Self:
        return cls(get_object_or_404(Partner.objects.visible_to(request.user)), is_own=True)

    @classmethod
    def of_partner(cls, request: UserRequest, partner_id: int) -> Self:
        return cls(get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id), is_own=False)
