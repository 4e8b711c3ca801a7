"""Partner Details → Postbacks: the network's people see and mend what a partner has set up."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.postbacks.views.screens import (
    Place,
    add_to,
    edit_in,
    pause_in,
    remove_in,
    resume_in,
    show_list,
)
from portal.accounts.rights import CHANGE_PARTNERS, VIEW_PARTNERS
from portal.web.access import requires
from portal.web.requests import UserRequest


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def postbacks(request: UserRequest, partner_id: int) -> HttpResponse:
    return show_list(request, Place.of_partner(request, partner_id), "postbacks/partner.html")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add(request: UserRequest, partner_id: int) -> HttpResponse:
    return add_to(request, Place.of_partner(request, partner_id))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def edit(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return edit_in(request, Place.of_partner(request, partner_id), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def pause(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return pause_in(request, Place.of_partner(request, partner_id), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def resume(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return resume_in(request, Place.of_partner(request, partner_id), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def remove(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return remove_in(request, Place.of_partner(request, partner_id), postback_id)
