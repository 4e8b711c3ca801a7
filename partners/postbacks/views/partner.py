"""Partner Details → Postbacks: the network's people see and mend what a partner has set up."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.postbacks.views.deliveries import TESTS, retry_in, show_attempt, show_report, test_in
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
from portal.network.zone import in_network_time
from portal.web.access import requires
from portal.web.limits import by_user, limited
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


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def report(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return show_report(request, Place.of_partner(request, partner_id), postback_id, "postbacks/partner_report.html")


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def attempt(request: UserRequest, partner_id: int, postback_id: int, attempt_id: int) -> HttpResponse:
    return show_attempt(
        request, Place.of_partner(request, partner_id), postback_id, attempt_id, "postbacks/partner_attempt.html"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
@in_network_time
def retry(request: UserRequest, partner_id: int, postback_id: int, delivery_id: int) -> HttpResponse:
    return retry_in(request, Place.of_partner(request, partner_id), postback_id, delivery_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
@in_network_time
@limited(TESTS, by=by_user, what="Testing postbacks")
def test(request: UserRequest, partner_id: int, postback_id: int) -> HttpResponse:
    return test_in(request, Place.of_partner(request, partner_id), postback_id)
