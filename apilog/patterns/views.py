from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apilog.patterns.forms import DismissalForm
from apilog.patterns.listing import rows_of
from apilog.patterns.models import AlreadyClosed, Pattern, PatternQuerySet, WentOn
from partners.models import Partner
from portal.accounts.rights import VIEW_PARTNERS, VIEW_SYSTEM_SETTINGS
from portal.network.zone import in_network_time
from portal.web.access import demand, requires
from portal.web.htmx import done, render_page
from portal.web.paging import key_page
from portal.web.requests import UserRequest

# What the tabs show of them; the page has the others.
ON_A_TAB = "3"
PARTIALS = ("pattern-region", "pattern-list", "pattern-count", "pattern-tab-count")


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def network_patterns(request: UserRequest) -> HttpResponse:
    """Of all keys; "?closed" shows those that were dismissed or have settled."""
    context = listing(request, Pattern.objects.all(), calls_url=reverse("apilog:calls"))
    return render_page(request, "patterns/network.html", context, partial=PARTIALS)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def partner_patterns(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    found = Pattern.objects.about_partner(partner.pk)
    context = listing(request, found, calls_url=reverse("apilog:partner_calls", args=[partner.pk]))
    return render_page(request, "patterns/partner.html", context | {"partner": partner}, partial=PARTIALS)


# Who may not see the pattern is stopped at the decorator; whether it may be dismissed depends on whose key it is about.
@require_http_methods(["GET", "HEAD", "POST"])
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
@in_network_time
def dismiss(request: UserRequest, pattern_id: int) -> HttpResponse:
    pattern = get_object_or_404(Pattern.objects.for_listing(), pk=pattern_id)
    return answer_dismissal(request, pattern, back=reverse("apilog:calls"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(VIEW_PARTNERS)
@never_cache
@in_network_time
def dismiss_of_partner(request: UserRequest, partner_id: int, pattern_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    pattern = get_object_or_404(Pattern.objects.about_partner(partner.pk).for_listing(), pk=pattern_id)
    return answer_dismissal(request, pattern, back=reverse("keys:partner", args=[partner.pk]))


def listing(request: UserRequest, patterns: PatternQuerySet, *, calls_url: str) -> dict[str, Any]:
    shows_closed = "closed" in request.GET
    page = key_page(request, (patterns.closed() if shows_closed else patterns.open()).for_listing())
    return {
        "rows": rows_of(page.rows, calls_url=calls_url),
        "on_a_tab": ON_A_TAB,
        "newer": page.newer,
        "older": page.older,
        "shows_closed": shows_closed,
    }


def answer_dismissal(request: UserRequest, pattern: Pattern, *, back: str) -> HttpResponse:
    demand(request, pattern.right_to_dismiss)
    form = DismissalForm(request.POST if request.method == "POST" else None, pattern=pattern)
    if form.is_valid():
        try:
            pattern.dismiss(by=request.actor, **form.cleaned_data)
            messages.success(request, "The pattern is dismissed, and not raised again for the same thing.")
            return done(request, redirect_to=back, event="patterns:changed")
        except AlreadyClosed as closed:
            messages.info(request, f"{closed.by} has closed this pattern already. Nothing is left to do.")
            return done(request, redirect_to=back, event="patterns:changed")
        except WentOn as more:
            pattern = more.current
            form.show_what_went_on(pattern)
    context = {"row": rows_of([pattern])[0], "form": form, "back": back}
    return render_page(request, "patterns/dismiss.html", context, status=422 if form.is_bound else 200)
