"""Core Platform → Conversions: everybody's, to be looked at and decided over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.offers.models import Offer
from partners.traffic.forms import NetworkConversionFilter, ReasonForm
from partners.traffic.models import AlreadyDecided, Conversion
from partners.traffic.network_rows import CONVERSIONS
from partners.traffic.rows import answer_file
from partners.traffic.tables import NetworkConversionTable
from partners.traffic.timeline import facts_of, timeline_of
from portal.accounts.actors import Actor
from portal.accounts.rights import CHANGE_PARTNERS, VIEW_PARTNERS
from portal.network.zone import in_network_time
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.paging import key_page
from portal.web.requests import UserRequest

MOST_AT_ONCE = 200
REPORTING = "/networks/reporting"
CHANGED = "conversions:changed"


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def conversions(request: UserRequest) -> HttpResponse:
    form = NetworkConversionFilter(request.GET, offers=Offer.objects.all())
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        seen = Conversion.objects.visible_to(request.user).for_listing()
        page = key_page(request, form.narrow(seen), column="id")
        context |= {"page": page, "table": NetworkConversionTable(page.rows), "decisions": DECISIONS}
        context["api_request"] = curl("POST", f"{REPORTING}/conversions", body=form.as_search())
    status = 422 if form.errors else 200
    return render_page(request, "traffic/network.html", context, partial="conversion-list", status=status)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def export(request: UserRequest, form: str) -> HttpResponseBase:
    """What the list shows, as a file: the rows are those that the Network API exports."""
    if form not in ("csv", "json"):
        raise Http404
    filters = NetworkConversionFilter(request.GET, offers=Offer.objects.all())
    if not filters.is_valid():
        context = {"form": filters, "form_url": reverse("traffic:network")}
        return render_page(request, "traffic/network.html", context, partial="conversion-list", status=422)
    rows = filters.narrow(Conversion.objects.visible_to(request.user)).newest_first()
    days = filters.cleaned_data
    return answer_file(rows, days["from"], days["to"], form, CONVERSIONS)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def conversion(request: UserRequest, partner_id: int, conversion_id: UUID) -> HttpResponse:
    seen = Conversion.objects.visible_to(request.user).for_listing()
    shown = get_object_or_404(seen, partner_id=partner_id, id=conversion_id)
    context = {
        "conversion": shown,
        "timeline": timeline_of(shown, names_people=True),
        "facts": facts_of(shown, names_people=True),
        "decisions": [decision for decision in DECISIONS.values() if shown.status in decision.over],
        "api_request": curl("GET", f"{REPORTING}/conversions/{shown.id.hex}"),
        "list_url": reverse("traffic:network"),
        "network_side": True,
    }
    return render_page(request, "traffic/conversion.html", context)


@dataclass(frozen=True, slots=True)
class Decision:
    """What can be decided over several conversions at once: in words, and of which status they have to be."""

    name: str
    label: str
    done: str
    consequence: str
    over: tuple[str, ...]
    needs_reason: bool = False

    def make(self, conversion: Conversion, *, by: Actor, reason: str) -> None:
        """By the verb of its name.

        :raises AlreadyDecided: when somebody was faster
        """
        verb = getattr(conversion, self.name)
        if self.needs_reason:
            verb(by=by, reason=reason)
        else:
            verb(by=by)


Status = Conversion.Status
DECISIONS = {
    decision.name: decision
    for decision in (
        Decision(
            "approve",
            "Approve",
            "approved",
            "They count from now on, in reports and in what the partner is owed.",
            (Status.PENDING, Status.REJECTED, Status.INVALID),
        ),
        Decision(
            "release",
            "Release from hold",
            "released",
            "They are approved now and not at the end of their holding period.",
            (Status.ON_HOLD,),
        ),
        Decision(
            "reject",
            "Reject",
            "rejected",
            "They count no longer. The partner sees the reason.",
            (Status.APPROVED, Status.PENDING, Status.ON_HOLD),
            needs_reason=True,
        ),
        Decision(
            "invalidate",
            "Make invalid",
            "made invalid",
            "They should never have been recorded, such as a test. The partner sees the reason.",
            (Status.APPROVED, Status.PENDING, Status.REJECTED, Status.ON_HOLD),
            needs_reason=True,
        ),
    )
}


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
@in_network_time
def decide(request: UserRequest) -> HttpResponse:
    """The confirmation of a decision over the conversions that were chosen, and the decision."""
    given = request.POST if request.method == "POST" else request.GET
    chosen = chosen_of(request, given.getlist("id"))
    decision = DECISIONS.get(given.get("decision", ""))
    form = ReasonForm(request.POST or None) if decision is not None and decision.needs_reason else None
    is_confirmed = request.method == "POST" and (form is None or form.is_valid())
    if decision is not None and chosen and is_confirmed:
        reason = form.cleaned_data["reason"] if form is not None else ""
        tell(request, decision, decided(chosen, decision, request.actor, reason), len(chosen))
        return done(request, redirect_to=reverse("traffic:network"), event=CHANGED)
    context = {"decision": decision, "chosen": chosen, "form": form, "most": MOST_AT_ONCE}
    return render_page(request, "traffic/decide.html", context, status=422 if request.method == "POST" else 200)


def chosen_of(request: UserRequest, named: Sequence[str]) -> list[Conversion]:
    """The conversions that checkboxes name as "7.0197148f…"; those that are not there are left out."""
    if len(named) > MOST_AT_ONCE:
        return []
    seen = Conversion.objects.visible_to(request.user).for_listing()
    ids = [text.partition(".")[2] for text in named]
    rows = seen.filter(id__in=[UUID(text) for text in ids if len(text) == 32 and set(text) <= HEX]).order_by("-id")
    return [row for row in rows if f"{row.partner_id}.{row.id.hex}" in named]


HEX = set("0123456789abcdef")


def decided(chosen: Sequence[Conversion], decision: Decision, by: Actor, reason: str) -> int:
    """Decides over each by itself, and says over how many: the others are as they are because of somebody else."""
    count = 0
    for conversion in chosen:
        try:
            decision.make(conversion, by=by, reason=reason)
            count += 1
        except AlreadyDecided:
            continue
    return count


def tell(request: UserRequest, decision: Decision, count: int, out_of: int) -> None:
    def conversions_in_words(number: int) -> str:
        return "1 conversion was" if number == 1 else f"{number} conversions were"

    if count:
        messages.success(request, f"{conversions_in_words(count)} {decision.done}.")
    if rest := out_of - count:
        wanted = " or ".join(Status(status).label.lower() for status in decision.over)
        messages.warning(
            request, f"{conversions_in_words(rest)} left alone: only {wanted} ones can be {decision.done}."
        )
