"""Partner Platform → Postbacks: a partner looks after its own."""

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
from portal.accounts.rights import CHANGE_OWN_ACCOUNT, MY_ACCOUNT
from portal.network.zone import in_network_time
from portal.web.access import requires
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def postbacks(request: UserRequest) -> HttpResponse:
    return show_list(request, Place.own(request), "postbacks/own.html")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def add(request: UserRequest) -> HttpResponse:
    return add_to(request, Place.own(request))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def edit(request: UserRequest, postback_id: int) -> HttpResponse:
    return edit_in(request, Place.own(request), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def pause(request: UserRequest, postback_id: int) -> HttpResponse:
    return pause_in(request, Place.own(request), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def resume(request: UserRequest, postback_id: int) -> HttpResponse:
    return resume_in(request, Place.own(request), postback_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def remove(request: UserRequest, postback_id: int) -> HttpResponse:
    return remove_in(request, Place.own(request), postback_id)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def report(request: UserRequest, postback_id: int) -> HttpResponse:
    return show_report(request, Place.own(request), postback_id, "postbacks/own_report.html")


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def attempt(request: UserRequest, postback_id: int, attempt_id: int) -> HttpResponse:
    return show_attempt(request, Place.own(request), postback_id, attempt_id, "postbacks/own_attempt.html")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
@in_network_time
def retry(request: UserRequest, postback_id: int, delivery_id: int) -> HttpResponse:
    return retry_in(request, Place.own(request), postback_id, delivery_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
@in_network_time
@limited(TESTS, by=by_user, what="Testing postbacks")
def test(request: UserRequest, postback_id: int) -> HttpResponse:
    return test_in(request, Place.own(request), postback_id)
