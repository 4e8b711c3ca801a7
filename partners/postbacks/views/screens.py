"""What both platforms do with a partner's postbacks, each at its own addresses."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from partners.postbacks.forms import NewPostbackForm, PostbackFilter, PostbackForm
from partners.postbacks.models import (
    AlreadyPaused,
    AlreadyRemoved,
    AlreadyResumed,
    Postback,
    TooManyPostbacks,
    Unfit,
)
from partners.postbacks.tables import PostbackTable
from partners.postbacks.vocabulary import POSTBACK
from partners.visible import PartnerPlace
from portal.web.api import MAXIMUM_PAGE_SIZE
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 50
CHANGED = "postbacks:changed"


class Place(PartnerPlace):
    """Whose postbacks a page shows, and where."""

    @property
    def list_url(self) -> str:
        return reverse("postbacks:own") if self.is_own else reverse("postbacks:partner", args=[self.partner.pk])

    @property
    def add_url(self) -> str:
        if self.is_own:
            return reverse("postbacks:own_add")
        return reverse("postbacks:partner_add", args=[self.partner.pk])

    def url(self, name: str, *numbers: int) -> str:
        """Where something about one of the postbacks is."""
        if self.is_own:
            return reverse(f"postbacks:own_{name}", args=numbers)
        return reverse(f"postbacks:partner_{name}", args=[self.partner.pk, *numbers])

    def conversion_url(self, conversion_id: UUID | None) -> str:
        """ "" for the invented one of a test."""
        if conversion_id is None:
            return ""
        if self.is_own:
            return reverse("traffic:own_conversion", args=[conversion_id])
        return reverse("traffic:conversion", args=[self.partner.pk, conversion_id])

    def postback(self, postback_id: int) -> Postback:
        postbacks = self.partner.postbacks.kept().select_related("offer", "partner")
        postback: Postback = get_object_or_404(postbacks, pk=postback_id)
        return postback


def show_list(request: UserRequest, place: Place, template: str) -> HttpResponse:
    filters = PostbackFilter(request.GET, partner=place.partner)
    table = PostbackTable(filters.narrow(place.partner.postbacks.for_listing()))
    configure(request, table, per_page=PER_PAGE)
    context = {
        "place": place,
        "partner": place.partner,
        "filters": filters,
        "table": table,
        "api_request": request_of(place, filters),
    }
    return render_page(request, template, context, partial="postback-table")


def request_of(place: Place, filters: PostbackFilter) -> str:
    """The list as the API is asked for it: by the partner's own key, or by the network's."""
    if place.is_own:
        return curl("POST", "/affiliates/pixels/search", body=filters.as_search)
    body = filters.as_search_for(place.partner) | {"page_size": MAXIMUM_PAGE_SIZE}
    return curl("POST", "/networks/pixelstable", body=body)


def add_to(request: UserRequest, place: Place) -> HttpResponse:
    form = NewPostbackForm(request.POST or None, partner=place.partner)
    if "preview" not in request.POST and form.is_valid():
        try:
            postback = Postback.add(partner=place.partner, by=request.actor, **form.cleaned_data)
        except TooManyPostbacks as too_many:
            form.add_error(None, too_many.sentence)
        except Unfit as unfit:
            form.add_error(unfit.field, unfit.sentence)
        else:
            messages.success(request, f"{postback} was added. It works from the next conversion on.")
            return done(request, redirect_to=place.list_url, event=CHANGED)
    return show_form(request, place, form)


def edit_in(request: UserRequest, place: Place, postback_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    form = PostbackForm(request.POST or None, instance=postback)
    if form.is_bound and "preview" not in request.POST:
        try:
            is_saved = form.saved_to(postback, by=request.actor)
        except Unfit as unfit:
            form.add_error(unfit.field, unfit.sentence)
        except AlreadyRemoved:
            return answer_removed(request, place)
        else:
            if is_saved:
                messages.success(request, f"{postback} was saved.")
                return done(request, redirect_to=place.list_url, event=CHANGED)
    return show_form(request, place, form, postback=postback)


def show_form(
    request: UserRequest, place: Place, form: NewPostbackForm | PostbackForm, *, postback: Postback | None = None
) -> HttpResponse:
    """The dialog, or the preview in it, which is asked for while its user types. What is looked at is no mistake."""
    is_refused = form.is_bound and "preview" not in request.POST
    title = f"Edit postback {postback.pk}" if postback else "Add a postback"
    context = {
        "place": place,
        "postback": postback,
        "form": form,
        "title": title,
        "is_refused": is_refused,
        "macros": POSTBACK,
    }
    return render_page(
        request, "postbacks/form.html", context, partial="postback-preview", status=422 if is_refused else 200
    )


def pause_in(request: UserRequest, place: Place, postback_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    if request.method != "POST":
        return show_question(request, place, postback, "Pause")
    try:
        postback.pause(by=request.actor)
        messages.success(request, f"{postback} is paused. Nothing is sent until somebody resumes it.")
    except AlreadyPaused:
        messages.info(request, f"{postback} was paused already.")
    except AlreadyRemoved:
        return answer_removed(request, place)
    return done(request, redirect_to=place.list_url, event=CHANGED)


def resume_in(request: UserRequest, place: Place, postback_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    if request.method != "POST":
        return show_question(request, place, postback, "Resume")
    try:
        postback.resume(by=request.actor)
        messages.success(request, f"{postback} works again from the next conversion on.")
    except AlreadyResumed:
        messages.info(request, f"{postback} is active already.")
    except AlreadyRemoved:
        return answer_removed(request, place)
    return done(request, redirect_to=place.list_url, event=CHANGED)


def remove_in(request: UserRequest, place: Place, postback_id: int) -> HttpResponse:
    postback = place.postback(postback_id)
    if request.method != "POST":
        return show_question(request, place, postback, "Remove")
    try:
        postback.remove(by=request.actor)
    except AlreadyRemoved:
        return answer_removed(request, place)
    messages.success(request, f"{postback} was removed.")
    return done(request, redirect_to=place.list_url, event=CHANGED)


def show_question(request: UserRequest, place: Place, postback: Postback, verb: str) -> HttpResponse:
    return render_page(request, "postbacks/question.html", {"place": place, "postback": postback, "verb": verb})


def answer_removed(request: UserRequest, place: Place) -> HttpResponse:
    messages.info(request, "Somebody else removed this postback a moment ago.")
    return done(request, redirect_to=place.list_url, event=CHANGED)
