from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.postbacks.backlog import backlog_at
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, MY_ACCOUNT, VIEW_SYSTEM_SETTINGS
from portal.network.zone import in_network_time
from portal.status import database, snapshot
from portal.status.forms import NoticeForm
from portal.status.judgement import ENOUGH
from portal.status.models import AlreadyEnded, Notice
from portal.status.overview import HOUR, Overview, outcomes_since, public_rows, rows_at
from portal.web.access import public, requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def page(request: UserRequest) -> HttpResponse:
    now = timezone.now()
    rows = rows_at(now)
    overview = Overview(now, tuple(public_rows(rows)))
    snapshot.keep(overview)
    context = {
        "now": now,
        "rows": rows,
        "enough": ENOUGH,
        "overview": overview,
        "outcomes": outcomes_since(now - HOUR),
        "backlog": backlog_at(now),
        "calls_url": reverse("apilog:calls"),
        "notices": Notice.objects.not_over(now).for_listing(),
    }
    return render_page(request, "status/page.html", context, partial="system-status")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def add_notice(request: UserRequest) -> HttpResponse:
    form = NoticeForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render_page(request, "status/add_notice.html", {"form": form}, status=status)
    Notice.post(**form.cleaned_data, by=request.actor)
    messages.success(request, "The notice is posted.")
    return done(request, redirect_to=reverse("status:page"), event="notices:changed")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def end_notice(request: UserRequest, notice_id: int) -> HttpResponse:
    notice = get_object_or_404(Notice, pk=notice_id)
    if request.method != "POST":
        return render_page(request, "status/end_notice.html", {"notice": notice})
    try:
        notice.end(by=request.actor)
        messages.success(request, "The notice is no longer shown.")
    except AlreadyEnded:
        messages.info(request, "Somebody else has ended this notice already.")
    return done(request, redirect_to=reverse("status:page"), event="notices:changed")


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def account(request: UserRequest) -> HttpResponse:
    """What a partner may know: the states, the notices, and how the partner's own calls ended."""
    now = timezone.now()
    context = account_context(request) | {
        "outcomes": outcomes_since(now - HOUR, partner_id=request.user.partner_id),
        "calls_url": reverse("apilog:account_calls"),
    }
    return render_page(request, "status/account.html", context, partial="system-status")


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def account_brief(request: UserRequest) -> HttpResponse:
    """The notices and the state in a line, for the other pages of My Account to load."""
    return render_page(request, "status/account_brief.html", account_context(request), partial="status-brief")


@require_safe
@public(reason="Who cannot sign in must see whether that is our fault; it shows states alone, no traffic and no names.")
@never_cache
def public_page(request: HttpRequest) -> HttpResponse:
    overview = snapshot.overview_at(timezone.now(), trouble=database.trouble())
    # Without the request as such: what base pages know of people and the network is read from the database.
    template = "status/public.html"
    if request.headers.get("HX-Target") == "system-status":
        template += "#system-status"
    return HttpResponse(render_to_string(template, {"overview": overview, "request": request}))


@require_safe
@public(reason="Monitoring has no account; it is told states alone, and nothing about traffic or partners.")
@never_cache
def status_json(request: HttpRequest) -> HttpResponse:
    overview = snapshot.overview_at(timezone.now(), trouble=database.trouble())
    return JsonResponse(
        {
            "state": overview.state,
            "as_of": overview.as_of,
            "database_answers": not overview.trouble,
            "rows": [
                {"name": row.name, "slug": row.slug, "state": row.state, "checked_at": row.checked_at}
                for row in overview.rows
            ],
        }
    )


@require_safe
@public(reason="Whoever starts and stops processes has no account; it says that this one answers, and nothing else.")
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@public(reason="A load balancer has no account; it learns whether to send requests here, and why not.")
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    if reason := database.trouble(migrated=True):
        return HttpResponse(f"{reason}\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


def account_context(request: UserRequest) -> dict[str, Any]:
    now = timezone.now()
    rows = tuple(public_rows(rows_at(now, with_past=False)))
    return {"overview": Overview(now, rows), "notices": Notice.objects.current(now).for_listing()}
