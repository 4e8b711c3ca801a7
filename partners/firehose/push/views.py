"""The push on both platforms: a partner sets up its own, and the network's people see how it fares."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.firehose.log import NotEnabled
from partners.firehose.models import Firehose
from partners.firehose.push.forms import NewPushForm, PushForm
from partners.firehose.push.models import (
    FAILURES_TO_PAUSE,
    AlreadyAdded,
    AlreadyPaused,
    AlreadyRemoved,
    AlreadyResumed,
    Push,
)
from partners.firehose.push.sending import MOST_EVENTS, UNREADABLE, send_test
from partners.visible import PartnerPlace
from portal.accounts.rights import CHANGE_OWN_ACCOUNT, CHANGE_PARTNERS, MY_ACCOUNT, REVEAL_OWN_KEYS, VIEW_PARTNERS
from portal.web.access import requires
from portal.web.htmx import done, render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest
from portal.web.sealing import CannotUnseal, UnknownEncryptionKey

CHANGED = "push:changed"
GONE = "Somebody else removed the push a moment ago."
NOT_ENABLED = "The Firehose is not enabled."


class Place(PartnerPlace):
    """Whose push a page shows, and where."""

    def url(self, verb: str = "") -> str:
        name = f"push:{'own' if self.is_own else 'partner'}{verb and f'_{verb}'}"
        return reverse(name, args=None if self.is_own else [self.partner.pk])

    @property
    def pause_url(self) -> str:
        return self.url("pause")

    @property
    def resume_url(self) -> str:
        return self.url("resume")

    @property
    def back(self) -> str:
        return reverse("keys:account") if self.is_own else reverse("keys:partner", args=[self.partner.pk])

    @cached_property
    def firehose(self) -> Firehose | None:
        return Firehose.objects.enabled().filter(pk=self.partner.pk).first()

    @cached_property
    def push(self) -> Push | None:
        return Push.of(self.partner)

    def wanted(self) -> Push:
        return get_object_or_404(Push.objects.select_related("partner"), partner=self.partner)


def show(request: UserRequest, place: Place) -> HttpResponse:
    push, firehose = place.push, place.firehose
    context = {
        "place": place,
        "partner": place.partner,
        "push": push,
        "firehose": firehose,
        "waiting": waiting_for(push, firehose),
        "left_out": left_out_by(push, firehose),
        "ending": push and push.secrets.exclude(ends_at=None).order_by("-ends_at").first(),
        "failures_to_pause": FAILURES_TO_PAUSE,
        "most_events": MOST_EVENTS,
        "retention_days": settings.FIREHOSE_RETENTION_DAYS,
    }
    return render_page(request, "push/page.html", context, partial="firehose-push")


def waiting_for(push: Push | None, firehose: Firehose | None) -> int:
    """How many numbered events it has not confirmed yet."""
    if push is None or firehose is None:
        return 0
    return firehose.last_seq - (push.seq if push.run == firehose.run else 0)


def left_out_by(push: Push | None, firehose: Firehose | None) -> bool:
    """Whether some of what came next is kept no longer, so that resuming leaves it out."""
    if push is None or firehose is None:
        return False
    return push.run != firehose.run or push.seq < firehose.forgotten_seq


def answer(request: UserRequest, place: Place) -> HttpResponse:
    return done(request, redirect_to=place.url(), event=CHANGED)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def own(request: UserRequest) -> HttpResponse:
    return show(request, Place.own(request))


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def partner(request: UserRequest, partner_id: int) -> HttpResponse:
    return show(request, Place.of_partner(request, partner_id))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(REVEAL_OWN_KEYS)
@never_cache
@limited("20/m", by=by_user, what="Setting up pushes")
def own_add(request: UserRequest) -> HttpResponse:
    place = Place.own(request)
    form = NewPushForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            push, secret = Push.add(partner=place.partner, url=form.cleaned_data["url"], by=request.actor)
            return show_secret(request, place, push, secret)
        except NotEnabled:
            messages.warning(request, f"{NOT_ENABLED} Ask your manager for it.")
        except AlreadyAdded:
            messages.info(request, "There is a push already, perhaps set up by somebody else a moment ago.")
        return answer(request, place)
    status = 422 if form.is_bound else 200
    return render_page(request, "push/form.html", {"place": place, "form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def own_edit(request: UserRequest) -> HttpResponse:
    place = Place.own(request)
    push = place.wanted()
    form = PushForm(request.POST if request.method == "POST" else None, instance=push)
    try:
        if form.is_bound and form.saved_to(push, by=request.actor):
            messages.success(request, "The next batch goes to the new URL.")
            return answer(request, place)
    except AlreadyRemoved:
        messages.info(request, GONE)
        return answer(request, place)
    context = {"place": place, "form": form, "push": push}
    return render_page(request, "push/form.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(REVEAL_OWN_KEYS)
@never_cache
@limited("20/m", by=by_user, what="Making secrets")
def own_secret(request: UserRequest) -> HttpResponse:
    place = Place.own(request)
    push = place.wanted()
    if request.method != "POST":
        return ask(request, place, push, "rotate")
    try:
        return show_secret(request, place, push, push.rotate_secret(by=request.actor))
    except AlreadyRemoved:
        messages.info(request, GONE)
        return answer(request, place)


def show_secret(request: UserRequest, place: Place, push: Push, secret: str) -> HttpResponse:
    return render_page(request, "push/secret.html", {"place": place, "push": push, "secret": secret})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
@limited("10/m", by=by_user, what="Sending tests")
def own_test(request: UserRequest) -> HttpResponse:
    place = Place.own(request)
    push = place.wanted()
    if request.method != "POST":
        return ask(request, place, push, "test")
    try:
        told = send_test(push, by=request.actor)
    except (CannotUnseal, UnknownEncryptionKey):
        messages.error(request, UNREADABLE)
    else:
        if told.problem:
            messages.error(request, f"The test failed after {told.duration_ms} ms: {told.problem}")
        else:
            messages.success(request, f"The test arrived: it answered {told.status} within {told.duration_ms} ms.")
    return answer(request, place)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def own_remove(request: UserRequest) -> HttpResponse:
    place = Place.own(request)
    push = place.wanted()
    if request.method != "POST":
        return ask(request, place, push, "remove")
    try:
        push.remove(by=request.actor)
        messages.success(request, "The push was removed. Its secret signs nothing any more.")
    except AlreadyRemoved:
        messages.info(request, GONE)
    return answer(request, place)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def own_pause(request: UserRequest) -> HttpResponse:
    return pause_in(request, Place.own(request))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def own_resume(request: UserRequest) -> HttpResponse:
    return resume_in(request, Place.own(request))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def partner_pause(request: UserRequest, partner_id: int) -> HttpResponse:
    return pause_in(request, Place.of_partner(request, partner_id))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def partner_resume(request: UserRequest, partner_id: int) -> HttpResponse:
    return resume_in(request, Place.of_partner(request, partner_id))


def pause_in(request: UserRequest, place: Place) -> HttpResponse:
    push = place.wanted()
    if request.method != "POST":
        return ask(request, place, push, "pause")
    return turn(request, place, push.pause, "The push is paused. Its events wait for it while they are kept.")


def resume_in(request: UserRequest, place: Place) -> HttpResponse:
    push = place.wanted()
    if request.method != "POST":
        return ask(request, place, push, "resume")
    return turn(request, place, push.resume, "The push goes on.")


def turn(request: UserRequest, place: Place, verb: Callable[..., None], said: str) -> HttpResponse:
    try:
        verb(by=request.actor)
        messages.success(request, said)
    except AlreadyPaused:
        messages.info(request, "It was paused already.")
    except AlreadyResumed:
        messages.info(request, "It goes on already.")
    except AlreadyRemoved:
        messages.info(request, GONE)
    except NotEnabled:
        messages.warning(request, f"{NOT_ENABLED} A push can go on once it is.")
    return answer(request, place)


def ask(request: UserRequest, place: Place, push: Push, verb: str) -> HttpResponse:
    context = {"place": place, "push": push, "verb": verb, "left_out": left_out_by(push, place.firehose)}
    context["retention_days"] = settings.FIREHOSE_RETENTION_DAYS
    return render_page(request, "push/question.html", context)
