from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apilog.dry_run import dry_run as allowlist_dry_run
from apilog.explanations import explanation_of
from apilog.exports import COLUMNS, exported
from apilog.forms import FIRST, LAST, CallFilter, OwnCallFilter, RetentionForm
from apilog.histogram import draw, histogram_of
from apilog.meter import meter_of
from apilog.models import LoggedCall, LoggedCallQuerySet, name_keys_and_partners
from apilog.search import SearchTooLong, export_of, page_of
from apilog.tail import ANNOUNCE_EVERY, arrived_since
from keys.models import Key
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, MY_ACCOUNT, VIEW_PARTNERS, VIEW_SYSTEM_SETTINGS
from portal.network.models import Network
from portal.network.zone import in_network_time
from portal.web.access import requires
from portal.web.exports import stream_csv, stream_json
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest

RECENT = 10


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def calls(request: UserRequest) -> HttpResponse:
    form = CallFilter(request.GET)
    if found := looked_up(form):
        return redirect("apilog:call", found)
    context = log_context(request, form) | {
        "call_url": "apilog:call",
        "retention_days": Network.load().log_retention_days,
    }
    return answer_log(request, "apilog/calls.html", form, context)


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def tail(request: UserRequest) -> HttpResponse:
    """The calls that have ended since the last time it was asked, for the live view to put on top."""
    form = CallFilter(request.GET)
    if not form.is_valid():
        raise Http404
    now = timezone.now()
    arrived = arrived_since(moment(request, "since"), form.search())
    untold = whole(request, "untold") + len(arrived)
    tell = untold > 0 and now - moment(request, "told") >= ANNOUNCE_EVERY
    context = {
        "calls": arrived,
        "call_url": "apilog:call",
        "news": untold if tell else 0,
        "tail_url": tail_url(
            form, since=now, told=now if tell else moment(request, "told"), untold=0 if tell else untold
        ),
    }
    return render(request, "apilog/tail.html", context)


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def export(request: UserRequest, form: str) -> HttpResponseBase:
    chosen = CallFilter(request.GET)
    if form not in ("csv", "json"):
        raise Http404
    if not chosen.is_valid():
        return answer_log(request, "apilog/calls.html", chosen, {"call_url": "apilog:call"})
    details = {"form": form, "filter": chosen.query()}
    Event.record(EventKind.LOG_EXPORTED, by=request.actor, subject=Network.load(), details=details)
    rows = exported(export_of(chosen.search()))
    name = f"api-log-{timezone.now():%Y-%m-%d-%H%M%S}.{form}"
    return stream_csv(name, COLUMNS, rows) if form == "csv" else stream_json(name, "calls", rows)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def retention(request: UserRequest) -> HttpResponse:
    network = Network.load()
    form = RetentionForm(request.POST if request.method == "POST" else None, initial=vars(network))
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render_page(request, "apilog/retention.html", {"form": form}, status=status)
    days = form.cleaned_data["log_retention_days"]
    network.change(by=request.actor, kind=EventKind.LOG_RETENTION_CHANGED, log_retention_days=days)
    messages.success(request, f"The API Log now keeps {days} day{'s' if days != 1 else ''}.")
    return done(request, redirect_to=reverse("apilog:calls"), event="retention:changed")


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def call(request: UserRequest, call_id: UUID) -> HttpResponse:
    return answer_call(request, "apilog/call.html", LoggedCall.objects.all(), call_id)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def partner_calls(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    form = OwnCallFilter(request.GET, owner=partner)
    if found := looked_up(form):
        return redirect("apilog:partner_call", partner.pk, found)
    context = log_context(request, form) | {"partner": partner, "call_url": "apilog:partner_call"}
    context["whole_log"] = VIEW_SYSTEM_SETTINGS.is_held_by(request.user)
    return answer_log(request, "apilog/partner_calls.html", form, context)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def partner_call(request: UserRequest, partner_id: int, call_id: UUID) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    own = LoggedCall.objects.about_partner(partner.pk)
    return answer_call(request, "apilog/partner_call.html", own, call_id, partner=partner)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def account_calls(request: UserRequest) -> HttpResponse:
    form = OwnCallFilter(request.GET, owner=request.user.partner)
    if found := looked_up(form):
        return redirect("apilog:account_call", found)
    context = log_context(request, form) | {"call_url": "apilog:account_call"}
    return answer_log(request, "apilog/account_calls.html", form, context)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def account_call(request: UserRequest, call_id: UUID) -> HttpResponse:
    assert request.user.partner is not None
    own = LoggedCall.objects.about_partner(request.user.partner.pk)
    return answer_call(request, "apilog/account_call.html", own, call_id)


def answer_log(request: UserRequest, template: str, form: OwnCallFilter, context: dict[str, Any]) -> HttpResponse:
    status = 422 if form.errors or context.get("too_long") else 200
    ranges = [
        (label, form.query(**between(None, None), range=value), value == form.chosen_range)
        for value, label in OwnCallFilter.RANGES
    ]
    context |= {"form": form, "ranges": ranges}
    return render_page(request, template, context, partial=("call-log", "recent-calls", "log-retention"), status=status)


def answer_call(
    request: UserRequest, template: str, visible: LoggedCallQuerySet, call_id: UUID, **context: Any
) -> HttpResponse:
    logged = get_object_or_404(visible, pk=call_id)
    name_keys_and_partners([logged])
    context |= {"call": logged, "explanation": explanation_of(logged.outcome)}
    return render(request, template, context)


def looked_up(form: OwnCallFilter) -> UUID | None:
    """The call whose request id was asked for; it is gone to at once."""
    return form.cleaned_data["request_id"] if form.is_valid() else None


def log_context(request: HttpRequest, form: OwnCallFilter) -> dict[str, Any]:
    """A page of calls and their histogram; neither when the filter is not valid or reads too much of the log."""
    if not form.is_valid():
        return {}
    search = form.search()
    # What no tally counts is counted from the log, which takes longer the more calls there are: the page does not wait
    # for it, and fetches the drawing when it is there itself.
    is_drawn = search.tallies() is not None or "histogram" in request.GET
    try:
        page = page_of(search, before=position(request, "before"), after=position(request, "after"))
        histogram = histogram_of(search) if is_drawn else None
    except SearchTooLong:
        return {"too_long": True}
    now = timezone.now()
    drawn = (
        {
            "histogram": histogram,
            "drawing": draw(histogram, lambda bar: f"{request.path}?{form.query(**between(bar.start, bar.end))}"),
        }
        if histogram is not None
        else {"histogram_url": f"{request.path}?{form.query(histogram=1)}"}
    )
    return drawn | {
        "calls": page.calls,
        "recent_calls": page.calls[:RECENT],
        "newer": page.newer and f"{request.path}?{form.query(after=page.newer)}",
        "older": page.older and f"{request.path}?{form.query(before=page.older)}",
        "search": search,
        "live": "live" in request.GET,
        "tail_url": tail_url(form, since=now, told=now, untold=0),
    }


def between(start: datetime | None, end: datetime | None) -> dict[str, str]:
    """A range for the filter's query string, as its fields read it."""
    return {
        name: timezone.localtime(value).strftime("%Y-%m-%dT%H:%M:%S") if value else ""
        for name, value in (("from", start), ("to", end))
    }


def tail_url(form: OwnCallFilter, *, since: datetime, told: datetime, untold: int) -> str:
    query = urlencode({"since": since.timestamp(), "told": told.timestamp(), "untold": untold})
    return f"{reverse('apilog:tail')}?{query}&{form.query()}"


def position(request: HttpRequest, name: str) -> UUID | None:
    text = request.GET.get(name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def moment(request: HttpRequest, name: str) -> datetime:
    try:
        named = datetime.fromtimestamp(float(request.GET[name]), tz=UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        raise Http404 from None
    if not FIRST <= named <= LAST:
        raise Http404
    return named


def whole(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def meter(request: UserRequest) -> HttpResponse:
    """The budget's window as it stands, and whose calls fill it."""
    context = {"meter": meter_of(Network.load(), timezone.now())}
    return render_page(request, "apilog/meter.html", context, partial="budget-meter")


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def account_meter(request: UserRequest) -> HttpResponse:
    """The network's window, and the partner's own share of it: nothing that tells who else calls."""
    context = {"meter": meter_of(Network.load(), timezone.now(), partner_id=request.user.partner_id)}
    return render_page(request, "apilog/account_meter.html", context, partial="budget-meter")


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def dry_run(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    return answer_dry_run(request, get_object_or_404(partner.keys, pk=key_id))


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def network_dry_run(request: UserRequest, key_id: int) -> HttpResponse:
    return answer_dry_run(request, get_object_or_404(Key.objects.of_network(), pk=key_id))


def answer_dry_run(request: UserRequest, key: Key) -> HttpResponse:
    """What the key's allowlist, with the network being typed, would have done to its last calls."""
    context = {"key": key, "run": allowlist_dry_run(key, request.GET.get("network", ""))}
    return render_page(request, "apilog/dry_run.html", context, partial="dry-run")
