"""Core Platform → Traffic controls, and the blocks of one partner on Partner Details."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.models import Partner
from partners.traffic.forms import BlockForm, ControlForm
from partners.traffic.models import (
    AlreadyActive,
    AlreadyBlocked,
    AlreadyLifted,
    AlreadyPaused,
    TrafficBlock,
    TrafficControl,
)
from partners.traffic.tables import ControlTable
from portal.accounts.rights import CHANGE_PARTNERS, VIEW_PARTNERS
from portal.web.access import requires
from portal.web.api import MAXIMUM_PAGE_SIZE
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 50
CONTROLS_CHANGED = "controls:changed"
BLOCKS_CHANGED = "blocks:changed"


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def controls(request: UserRequest) -> HttpResponse:
    table = ControlTable(TrafficControl.objects.for_listing())
    configure(request, table, per_page=PER_PAGE)
    asked = curl("GET", "/networks/trafficcontrols", query={"page_size": MAXIMUM_PAGE_SIZE})
    context = {"table": table, "api_request": asked}
    return render_page(request, "traffic/controls.html", context, partial="control-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_control(request: UserRequest) -> HttpResponse:
    form = ControlForm(request.POST or None)
    if form.is_valid():
        control = TrafficControl.add(by=request.actor, **form.cleaned_data)
        messages.success(request, f"{control} was added and is in force.")
        return done(request, redirect_to=reverse("traffic:controls"), event=CONTROLS_CHANGED)
    return answer_form(request, "traffic/control_form.html", {"form": form, "title": "Add a traffic control"})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def edit_control(request: UserRequest, control_id: int) -> HttpResponse:
    control = get_object_or_404(TrafficControl, pk=control_id)
    form = ControlForm.of(control, request.POST or None)
    if form.is_valid():
        control.change(by=request.actor, **form.cleaned_data)
        messages.success(request, f"{control} was changed.")
        return done(request, redirect_to=reverse("traffic:controls"), event=CONTROLS_CHANGED)
    return answer_form(request, "traffic/control_form.html", {"form": form, "title": f"Edit {control}"})


def answer_form(request: UserRequest, template: str, context: dict[str, object]) -> HttpResponse:
    return render_page(request, template, context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def pause_control(request: UserRequest, control_id: int) -> HttpResponse:
    control = get_object_or_404(TrafficControl, pk=control_id)
    if request.method != "POST":
        return render_page(request, "traffic/switch_control.html", {"control": control, "is_pause": True})
    try:
        control.pause(by=request.actor)
        messages.success(request, f"{control} was paused.")
    except AlreadyPaused:
        messages.warning(request, f"{control} was paused already.")
    return done(request, redirect_to=reverse("traffic:controls"), event=CONTROLS_CHANGED)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def resume_control(request: UserRequest, control_id: int) -> HttpResponse:
    control = get_object_or_404(TrafficControl, pk=control_id)
    if request.method != "POST":
        return render_page(request, "traffic/switch_control.html", {"control": control, "is_pause": False})
    try:
        control.resume(by=request.actor)
        messages.success(request, f"{control} is in force again.")
    except AlreadyActive:
        messages.warning(request, f"{control} was in force already.")
    return done(request, redirect_to=reverse("traffic:controls"), event=CONTROLS_CHANGED)


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def blocks(request: UserRequest, partner_id: int) -> HttpResponse:
    """What is blocked of a partner's traffic: a region of Partner Details, and a page of its own."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    context = {"partner": partner, "blocks": partner.traffic_blocks.standing().for_listing()}
    return render_page(request, "traffic/blocks.html", context, partial="traffic-blocks")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_block(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    form = BlockForm(request.POST or None)
    if form.is_valid():
        try:
            block = TrafficBlock.block(partner=partner, by=request.actor, **form.cleaned_data)
        except AlreadyBlocked:
            form.add_error("value", "This is blocked already.")
        else:
            messages.success(request, f"Clicks with {block} are invalid from now on.")
            return done(request, redirect_to=reverse("traffic:blocks", args=[partner.pk]), event=BLOCKS_CHANGED)
    return answer_form(request, "traffic/block_form.html", {"form": form, "partner": partner})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def lift_block(request: UserRequest, partner_id: int, block_id: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    block = get_object_or_404(partner.traffic_blocks.for_listing(), pk=block_id)
    if request.method != "POST":
        return render_page(request, "traffic/lift_block.html", {"blocked": block, "partner": partner})
    try:
        block.lift(by=request.actor)
        messages.success(request, f"Clicks with {block} count again.")
    except AlreadyLifted:
        messages.warning(request, "The block was lifted already.")
    return done(request, redirect_to=reverse("traffic:blocks", args=[partner.pk]), event=BLOCKS_CHANGED)
