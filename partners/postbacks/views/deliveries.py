"""How a postback's deliveries went, on both platforms: the report, an attempt, sending again, a test."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.timezone import now

from partners.postbacks.delivering import send_test
from partners.postbacks.forms import AttemptFilter, Preview
from partners.postbacks.models import Attempt, NotWaiting, Overtaken, PostbackPaused
from partners.postbacks.report import report_of
from partners.postbacks.tables import AttemptTable
from partners.postbacks.views.screens import CHANGED, Place
from portal.web.api_request import curl
from portal.web.htmx import done, render_page, trigger
from portal.web.paging import time_page
from portal.web.requests import UserRequest

# As the API allows it: each holds a thread for as long as the receiver takes.
TESTS = "10/m"


def show_report(request: UserRequest, place: Place, postback_id: int, template: str) -> HttpResponse:
    postback = get_object_or_404(place.partner.postbacks.select_related("offer", "partner"), pk=postback_id)
    if postback.removed_at is not None:
        # What people were told of it leads here for as long as they keep that.
        messages.info(request, f"{postback} was removed.")
        return done(request, redirect_to=place.list_url)
    filters = AttemptFilter(request.GET)
    shown = postback.attempts.select_related("delivery").defer("url", "answer", "delivery__facts")
    page = time_page(request, filters.narrow(shown))
    context = {
        "place": place,
        "partner": place.partner,
        "postback": postback,
        "report_url": place.url("report", postback.pk),
        "report": report_of(postback, now=now()),
        "last_failed": postback.attempts.failed().newest_first().first() if postback.failures else None,
        "filters": filters,
        "page": page,
        "table": AttemptTable(page.rows),
    }
    return render_page(request, template, context, partial=("postback-report", "attempt-table"))


def show_attempt(request: UserRequest, place: Place, postback_id: int, attempt_id: int, template: str) -> HttpResponse:
    postback = place.postback(postback_id)
    attempt = get_object_or_404(postback.attempts.select_related("delivery"), pk=attempt_id)
    siblings = Attempt.objects.none() if attempt.delivery is None else attempt.delivery.attempts.newest_first()
    context = {
        "place": place,
        "partner": place.partner,
        "postback": postback,
        "report_url": place.url("report", postback.pk),
        "attempt": attempt,
        "delivery": attempt.delivery,
        "siblings": siblings.defer("url", "answer")[:50],
        "conversion_url": place.conversion_url(attempt.conversion_id),
    }
    return render_page(request, template, context, partial="attempt")


def retry_in(request: UserRequest, place: Place, postback_id: int, delivery_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    delivery = get_object_or_404(postback.deliveries, pk=delivery_id)
    report_url = place.url("report", postback.pk)
    if request.method != "POST":
        context = {"place": place, "postback": postback, "delivery": delivery, "report_url": report_url}
        return render_page(request, "postbacks/retry.html", context)
    try:
        delivery.retry(by=request.actor)
        messages.success(request, f"{delivery} is sent again within moments.")
    except PostbackPaused:
        messages.info(request, f"{postback} is paused. Resume it, and all that waits is sent, this delivery too.")
    except NotWaiting:
        messages.info(request, f"{delivery} has arrived meanwhile, or is on its way at this moment.")
    except Overtaken:
        messages.info(request, "The receiver knows a later status of this conversion: this one would undo it.")
    return done(request, redirect_to=report_url, event=CHANGED)


def test_in(request: UserRequest, place: Place, postback_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    if postback.is_html:
        raise Http404("It shows HTML code; there is no URL to call.")
    attempt = send_test(postback, by=request.actor) if request.method == "POST" else None
    context = {
        "place": place,
        "postback": postback,
        "report_url": place.url("report", postback.pk),
        "preview": Preview.of(postback.url),
        "attempt": attempt,
        "attempt_url": attempt and place.url("attempt", postback.pk, attempt.pk),
        "api_request": curl("POST", f"/affiliates/pixels/{postback.pk}/test") if place.is_own else "",
    }
    response = render_page(request, "postbacks/test.html", context)
    if attempt is not None:
        # The dialog stays and says how it went; the page behind it has one attempt more.
        response["HX-Trigger"] = trigger({CHANGED: True})
    return response
