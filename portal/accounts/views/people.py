"""Control Center → Accounts."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.events import EventKind
from portal.accounts.forms import (
    EMAIL_TAKEN,
    SUPER_USER,
    ChangeRoleForm,
    ConfirmForm,
    InvitationForm,
    NetworkInvitationForm,
    NetworkPeopleFilter,
    PartnerInvitationForm,
    PeopleFilter,
    Refusal,
    in_words,
)
from portal.accounts.jobs import send_invitation
from portal.accounts.models import AlreadyDeactivated, Event, User
from portal.accounts.rights import CHANGE_ACCOUNTS, CHANGE_PARTNERS, VIEW_ACCOUNTS
from portal.accounts.tables import NetworkUserTable, PartnerUserTable
from portal.web.access import demand, requires
from portal.web.htmx import done, render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest
from portal.web.tables import configure

PEOPLE_PER_PAGE = 50
CHANGED = "accounts:changed"


@require_safe
@requires(VIEW_ACCOUNTS)
def network_users(request: UserRequest) -> HttpResponse:
    filters = NetworkPeopleFilter(request.GET)
    table = NetworkUserTable(filters.apply(User.objects.of_the_network()).for_listing())
    configure(request, table, per_page=PEOPLE_PER_PAGE)
    context = {"filters": filters, "table": table, "invite_url": reverse("accounts:invite")}
    return render_page(request, "accounts/people.html", context, partial="people-table")


@require_safe
@requires(VIEW_ACCOUNTS)
def partner_users(request: UserRequest) -> HttpResponse:
    filters = PeopleFilter(request.GET)
    table = PartnerUserTable(filters.apply(User.objects.of_partners()).for_listing())
    configure(request, table, per_page=PEOPLE_PER_PAGE)
    context = {"filters": filters, "table": table, "invite_url": reverse("accounts:invite_partner_user")}
    return render_page(request, "accounts/people.html", context, partial="people-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_ACCOUNTS)
@never_cache
@limited("60/h", by=by_user, what="Inviting people")
def invite(request: UserRequest) -> HttpResponse:
    form = NetworkInvitationForm(request.POST if request.method == "POST" else None)
    return answer_invitation(request, form, back_url=reverse("accounts:list"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_ACCOUNTS | CHANGE_PARTNERS)
@never_cache
@limited("60/h", by=by_user, what="Inviting people")
def invite_partner_user(request: UserRequest) -> HttpResponse:
    form = PartnerInvitationForm(
        request.POST if request.method == "POST" else None, initial={"partner": request.GET.get("partner")}
    )
    # Who may change partners but not look at accounts comes from a partner's page.
    may_look = VIEW_ACCOUNTS.is_held_by(request.user)
    return answer_invitation(request, form, back_url=reverse("accounts:partner_users" if may_look else "home"))


def answer_invitation(request: UserRequest, form: InvitationForm, *, back_url: str) -> HttpResponse:
    if form.is_valid():
        try:
            user = send_invited(request, form)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        except IntegrityError:
            # Somebody else invited the same person since the form was checked.
            form.add_error("email", EMAIL_TAKEN)
        else:
            messages.success(request, f"{user} is invited. The mail is on its way to {user.email}.")
            return done(request, redirect_to=back_url, event=CHANGED)
    context = {"form": form, "back_url": back_url}
    return render_page(request, "accounts/invite.html", context, status=422 if form.errors else 200)


@transaction.atomic
def send_invited(request: UserRequest, form: InvitationForm) -> User:
    chosen = form.cleaned_data
    user = User.invite(email=chosen["email"], name=chosen["name"], by=request.actor, **form.standing())
    send_invitation.defer(user_id=user.pk)
    return user


@require_POST
@requires(CHANGE_ACCOUNTS | CHANGE_PARTNERS)
@limited("60/h", by=by_user, what="Inviting people")
def invite_again(request: UserRequest, user_id: int) -> HttpResponse:
    user = get_object_or_404(User.objects.invited().select_related("partner"), pk=user_id)
    if user.is_network_user:
        demand(request, CHANGE_ACCOUNTS)
    with transaction.atomic():
        Event.record(EventKind.INVITATION_REPEATED, by=request.actor, subject=user, partner=user.partner)
        send_invitation.defer(user_id=user.pk)
    messages.success(request, f"Another invitation is on its way to {user.email}.")
    return done(request, redirect_to=list_of(user), event=CHANGED)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_ACCOUNTS)
@never_cache
def change_role(request: UserRequest, user_id: int) -> HttpResponse:
    user = get_object_or_404(User.objects.of_the_network().for_listing(), pk=user_id)
    current, standing = SUPER_USER if user.is_superuser else user.role_id, user.standing
    form = ChangeRoleForm(request.POST if request.method == "POST" else None, initial={"role": current})
    if form.is_valid():
        try:
            user.change_role(**form.cleaned_data["role"], by=request.actor)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        else:
            messages.success(request, f"{user} is {user.standing} now, from their next click on.")
            return done(request, redirect_to=list_of(user), event=CHANGED)
    context = {"form": form, "person": user, "standing": standing, "back_url": list_of(user)}
    return render_page(request, "accounts/change_role.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_ACCOUNTS)
@never_cache
def deactivate(request: UserRequest, user_id: int) -> HttpResponse:
    user = get_object_or_404(User.objects.for_listing(), pk=user_id)
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user.deactivate(by=request.actor)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        except AlreadyDeactivated:
            messages.info(request, f"{user} was deactivated already.")
            return done(request, redirect_to=list_of(user), event=CHANGED)
        else:
            messages.success(request, f"{user} is deactivated and signed out everywhere.")
            return done(request, redirect_to=list_of(user), event=CHANGED)
    context = {"form": form, "person": user, "back_url": list_of(user)}
    return render_page(request, "accounts/deactivate.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_ACCOUNTS)
@never_cache
def reactivate(request: UserRequest, user_id: int) -> HttpResponse:
    user = get_object_or_404(User.objects.for_listing(), pk=user_id)
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user.reactivate(by=request.actor)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        else:
            messages.success(request, f"{user} can sign in again.")
            return done(request, redirect_to=list_of(user), event=CHANGED)
    context = {"form": form, "person": user, "back_url": list_of(user)}
    return render_page(request, "accounts/reactivate.html", context, status=422 if form.errors else 200)


def list_of(user: User) -> str:
    return reverse("accounts:list" if user.is_network_user else "accounts:partner_users")
