"""Control Center → Security Settings."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.forms import NAME_TAKEN, Refusal, RoleForm, in_words
from portal.accounts.levels import AREAS
from portal.accounts.models import Role, User
from portal.accounts.rights import CHANGE_SECURITY, VIEW_SECURITY
from portal.accounts.tables import RoleTable
from portal.web.access import requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest

CHANGED = "roles:changed"


@require_safe
@requires(VIEW_SECURITY)
def security(request: UserRequest) -> HttpResponse:
    super_users = User.objects.filter(is_superuser=True).count()
    table = RoleTable.of(Role.objects.for_listing(), super_users=super_users, own=request.user.role_id)
    areas = [(label, list(levels)) for levels, (_, label) in AREAS.items()]
    context = {"table": table, "areas": areas}
    return render_page(request, "accounts/security.html", context, partial="role-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SECURITY)
@never_cache
def add_role(request: UserRequest) -> HttpResponse:
    form = RoleForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            role = Role.create(name=form.cleaned_data["name"], by=request.actor, **form.levels)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        except IntegrityError:
            form.add_error("name", NAME_TAKEN)
        else:
            messages.success(request, f"The role {role} was added. Give it to people in Accounts.")
            return done(request, redirect_to=reverse("accounts:security"), event=CHANGED)
    return render_page(request, "accounts/role.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SECURITY)
@never_cache
def edit_role(request: UserRequest, role_id: int) -> HttpResponse:
    role = get_object_or_404(Role.objects.for_listing(), pk=role_id)
    form = RoleForm(request.POST if request.method == "POST" else None, role=role)
    if form.is_valid():
        try:
            role.change(by=request.actor, name=form.cleaned_data["name"], **form.levels)
        except Refusal as refusal:
            form.add_error(None, in_words(refusal))
        except IntegrityError:
            form.add_error("name", NAME_TAKEN)
        else:
            messages.success(request, f"The role {role} was changed, for everybody who has it.")
            return done(request, redirect_to=reverse("accounts:security"), event=CHANGED)
    context = {"form": form, "role": Role.objects.for_listing().get(pk=role_id)}
    return render_page(request, "accounts/role.html", context, status=422 if form.errors else 200)
