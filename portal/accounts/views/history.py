"""Control Center → History Logs."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.accounts.events import EventKind
from portal.accounts.forms import HistoryFilter
from portal.accounts.models import Event, EventQuerySet, User
from portal.accounts.network import the_network
from portal.accounts.rights import VIEW_ACCOUNTS
from portal.web.access import requires
from portal.web.exports import Row, stream_csv, stream_json
from portal.web.htmx import render_page
from portal.web.paging import key_page, newest_first
from portal.web.requests import UserRequest

COLUMNS = (
    "id",
    "occurred_at",
    "kind",
    "actor",
    "actor_key_id",
    "impersonator",
    "subject_type",
    "subject",
    "partner_id",
    "partner",
    "ip",
    "details",
)


@require_safe
@requires(VIEW_ACCOUNTS)
def history(request: UserRequest) -> HttpResponse:
    filters = HistoryFilter(request.GET, zone=the_network().zone)
    context = {
        "form": filters,
        "page": key_page(request, filters.apply(Event.objects.for_listing())),
        "is_filtered": any(request.GET.get(field) for field in filters.fields),
        "people": User.objects.of_the_network().for_listing()[:200],
        "query": request.GET.urlencode(),
    }
    status = 422 if filters.errors else 200
    return render_page(request, "accounts/history.html", context, partial="event-table", status=status)


@require_safe
@requires(VIEW_ACCOUNTS)
@never_cache
def export_history(request: UserRequest, file_format: str) -> HttpResponseBase:
    filters = HistoryFilter(request.GET, zone=the_network().zone)
    if not filters.is_valid():
        return redirect(f"{reverse('accounts:history')}?{request.GET.urlencode()}")
    rows = exported(filters.apply(Event.objects.for_listing()))
    details = {"format": file_format, **filters.chosen}
    Event.record(EventKind.HISTORY_EXPORTED, by=request.actor, subject=request.user, details=details)
    filename = f"history-{timezone.localdate():%Y-%m-%d}.{file_format}"
    if file_format == "csv":
        return stream_csv(filename, COLUMNS, rows)
    return stream_json(filename, "events", rows)


def exported(events: EventQuerySet) -> Iterator[Row]:
    for event in newest_first(events):
        yield {
            "id": event.pk,
            "occurred_at": event.occurred_at,
            "kind": event.kind,
            "actor": event.actor_label,
            "actor_key_id": event.actor_key_id,
            "impersonator": event.impersonator_label,
            "subject_type": event.subject_type,
            "subject": event.subject_label,
            "partner_id": event.partner_id,
            "partner": event.partner_label,
            "ip": event.ip,
            "details": event.details,
        }
