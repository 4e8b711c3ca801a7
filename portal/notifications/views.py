from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.rights import OWN_NOTIFICATIONS, SIGNED_IN
from portal.network.zone import in_network_time
from portal.notifications.forms import ChoicesForm, ReadAllForm
from portal.notifications.models import Preference
from portal.web.access import demand, requires
from portal.web.htmx import done, render_page
from portal.web.paging import key_page
from portal.web.requests import UserRequest

PAGE = 25
# The bells in the header and in the drawer of a narrow screen.
BELLS = ("bell-bar", "bell-sidebar")
CHANGED = "notifications:changed"


@require_safe
@requires(SIGNED_IN)
@never_cache
@in_network_time
def notifications(request: UserRequest) -> HttpResponse:
    page = key_page(request, request.user.notifications.shown(), size=PAGE)
    context = {"page": page, "newest_id": page.rows[0].pk if page.rows else 0}
    return render_page(request, "notifications/list.html", context, partial=("notification-list", *BELLS))


@require_POST
@requires(OWN_NOTIFICATIONS)
@never_cache
def read(request: UserRequest, notification_id: int) -> HttpResponse:
    get_object_or_404(request.user.notifications.shown(), pk=notification_id).read()
    return done(request, redirect_to=reverse("notifications:list"), event=CHANGED)


@require_POST
@requires(OWN_NOTIFICATIONS)
@never_cache
def open_page(request: UserRequest, notification_id: int) -> HttpResponse:
    """Marks it as read, and goes to where it leads."""
    notification = get_object_or_404(request.user.notifications.shown(), pk=notification_id)
    notification.read()
    return done(request, redirect_to=notification.path)


@require_POST
@requires(OWN_NOTIFICATIONS)
@never_cache
def read_all(request: UserRequest) -> HttpResponse:
    form = ReadAllForm(request.POST)
    if not form.is_valid():
        return render_page(request, "400.html", status=422)
    request.user.notifications.all().read_through(form.cleaned_data["through"])
    return done(request, redirect_to=reverse("notifications:list"), event=CHANGED)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(SIGNED_IN)
@never_cache
def choices(request: UserRequest) -> HttpResponse:
    form = ChoicesForm(request.POST if request.method == "POST" else None, user=request.user)
    if not form.is_valid():
        return render_page(request, "notifications/choices.html", {"form": form}, status=422 if form.is_bound else 200)
    demand(request, OWN_NOTIFICATIONS)
    Preference.choose(request.user, form.chosen(), by=request.actor)
    messages.success(request, "You are told of things as you have chosen, from now on.")
    return done(request, redirect_to=reverse("notifications:choices"))
