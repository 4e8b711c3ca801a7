from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.forms import (
    ClosingForm,
    FlagForm,
    NewPartnerForm,
    PartnerFilter,
    PartnerForm,
    TechnicalContactForm,
)
from partners.models import Flag, FlagAlreadyClosed, FlagAlreadyRaised, Partner
from partners.tables import PartnerTable
from partners.visible import own_partner
from portal.accounts.rights import (
    CHANGE_OWN_ACCOUNT,
    CHANGE_PARTNERS,
    MY_ACCOUNT,
    VIEW_PARTNERS,
)
from portal.web.access import requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 25


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def manage(request: UserRequest) -> HttpResponse:
    """Partners → Manage: every partner, searched, filtered and sorted by the URL."""
    partners = Partner.objects.visible_to(request.user)
    filters = PartnerFilter(request.GET)
    table = PartnerTable(filters.narrow(partners.for_listing()))
    configure(request, table, per_page=PER_PAGE)
    context = {"filters": filters, "table": table, "requesting": partners.requesting_key().count()}
    return render_page(request, "partners/manage.html", context, partial="partner-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def new(request: UserRequest) -> HttpResponse:
    form = NewPartnerForm(request.POST or None, initial={"manager": request.user.pk})
    if form.is_valid():
        partner = Partner.create(by=request.actor, **form.cleaned_data)
        messages.success(request, f"{partner} was added. It is onboarding until you make it active.")
        return done(request, redirect_to=reverse("partners:detail", args=[partner.pk]))
    return render_page(request, "partners/new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def detail(request: UserRequest, partner_id: int) -> HttpResponse:
    """Partner Details → General."""
    partners = Partner.objects.visible_to(request.user).select_related("manager")
    partner = get_object_or_404(partners, pk=partner_id)
    context = {
        "partner": partner,
        "flags": partner.flags.open_first(),
        "users": partner.users.for_listing(),
    }
    return render_page(request, "partners/detail.html", context, partial=("flag-list", "user-list"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def edit(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    form = PartnerForm(request.POST or None, instance=partner)
    if form.is_bound and form.saved_to(partner, by=request.actor):
        messages.success(request, f"{partner} was saved.")
        return done(request, redirect_to=reverse("partners:detail", args=[partner.pk]))
    context = {"partner": partner, "form": form}
    return render_page(
        request, "partners/edit.html", context, partial="partner-form", status=422 if form.is_bound else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def raise_flag(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    form = FlagForm(request.POST or None)
    if form.is_valid():
        kind = Flag.Kind(form.cleaned_data["kind"])
        try:
            partner.raise_flag(kind=kind, note=form.cleaned_data["note"], by=request.actor)
        except FlagAlreadyRaised:
            messages.info(request, f"This {kind.label.lower()} flag was raised already.")
        else:
            messages.success(request, f"{partner} has a {kind.label.lower()} flag now.")
        return done(request, redirect_to=reverse("partners:detail", args=[partner.pk]), event="flags:changed")
    context = {"partner": partner, "form": form}
    return render_page(request, "partners/raise_flag.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def close_flag(request: UserRequest, partner_id: int, flag_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    flag = get_object_or_404(partner.flags, pk=flag_id)
    form = ClosingForm(request.POST or None)
    if form.is_valid():
        try:
            flag.close(by=request.actor, note=form.cleaned_data["note"])
        except FlagAlreadyClosed:
            messages.info(request, "Somebody else closed this flag a moment ago; their note stands.")
        else:
            messages.success(request, f"The {flag.get_kind_display().lower()} flag of {partner} was closed.")
        return done(request, redirect_to=reverse("partners:detail", args=[partner.pk]), event="flags:changed")
    context = {"partner": partner, "flag": flag, "form": form}
    return render_page(request, "partners/close_flag.html", context, status=422 if form.is_bound else 200)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def account(request: UserRequest) -> HttpResponse:
    """My Account → Details, for the partner's own users."""
    partner = own_partner(request)
    return render_page(request, "partners/account.html", {"partner": partner}, partial="contact")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def contact(request: UserRequest) -> HttpResponse:
    """The technical contact, which a partner names itself."""
    partner = own_partner(request)
    form = TechnicalContactForm(request.POST or None, instance=partner)
    if form.is_bound and form.saved_to(partner, by=request.actor):
        messages.success(request, "Your technical contact was saved.")
        return done(request, redirect_to=reverse("partners:account"), event="contact:changed")
    context = {"partner": partner, "form": form}
    return render_page(request, "partners/contact.html", context, status=422 if form.is_bound else 200)
