"""Partner Details → API: the network's people look after a partner's keys."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.forms import AddKeyForm, CeilingForm, LabelForm, RotateForm
from keys.invitation import invitation
from keys.models import AboveBudget, AlreadyIssued, AlreadyRevoked, AlreadyRotated, Key, NotRotatable
from keys.readiness import concerns_about
from keys.tables import KeyTable
from keys.views.secrets import answer_secret
from partners.models import Partner
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, ISSUE_PARTNER_KEYS, VIEW_PARTNERS
from portal.network.models import Network
from portal.web.access import requires
from portal.web.exports import Row, stream_csv, stream_json
from portal.web.htmx import done, render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 50
EXPORTED = [
    "label",
    "key",
    "status",
    "created_at",
    "created_by",
    "last_used_at",
    "last_used_ip",
    "revoked_at",
    "revoked_by",
    "ip_allowlist",
]


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def keys(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = partner_of(request, partner_id)
    table = KeyTable(partner.keys.for_listing())
    configure(request, table, per_page=PER_PAGE)
    context = {"partner": partner, "table": table, "wish": partner.key_requests.open().first()}
    return render_page(request, "keys/partner.html", context, partial=("key-table", "key-request"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
@never_cache
@limited("20/m", by=by_user, what="Issuing keys")
def add(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = partner_of(request, partner_id)
    form = AddKeyForm(request.POST or None, concerns=concerns_about(partner))
    if not form.is_valid():
        context = {
            "partner": partner,
            "form": form,
            "wish": partner.key_requests.open().first(),
            "back": keys_url(partner),
        }
        return render_page(request, "keys/add.html", context, status=422 if form.is_bound else 200)
    label, submission = form.cleaned_data["label"], form.cleaned_data["submission"]
    try:
        key, _ = Key.issue(partner=partner, label=label, submission=submission, by=request.actor)
        messages.success(request, f"{key} was issued.")
    except AlreadyIssued as earlier:
        key = earlier.key
        messages.info(request, f"{key} had been issued already: OK was pressed twice, and there is one key.")
    send_url = reverse("keys:send", args=[partner.pk, key.pk])
    return done(request, redirect_to=send_url, event="keys:changed", next_dialog=send_url)


@require_safe
@requires(VIEW_PARTNERS)
def export(request: UserRequest, partner_id: int) -> HttpResponseBase:
    partner = partner_of(request, partner_id)
    form = request.GET.get("format", "csv")
    filename = f"api-keys-{partner.pk}.{form}"
    if form not in ("csv", "json"):
        raise Http404
    Key.note_export(partner=partner, form=form, by=request.actor)
    if form == "json":
        return stream_json(filename, "keys", exported(partner))
    return stream_csv(filename, EXPORTED, exported(partner))


@require_safe
@requires(ISSUE_PARTNER_KEYS)
@never_cache
def send(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    partner = partner_of(request, partner_id)
    context = {
        "partner": partner,
        "key": key,
        "invitation": invitation(key, partner=partner),
        "readers": partner.users.filter(is_active=True).order_by("name", "pk"),
        "reveal_url": reverse("keys:reveal", args=[partner.pk, key.pk]),
        "back": keys_url(partner),
    }
    return render_page(request, "keys/send.html", context, partial={f"key-{key.pk}-secret": "secret"})


@require_POST
@requires(ISSUE_PARTNER_KEYS)
@never_cache
@limited("30/m", by=by_user, what="Showing or copying keys")
def reveal(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    return answer_secret(request, key, reveal_url=request.path, back=reverse("keys:partner", args=[partner_id]))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
def rename(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    back = reverse("keys:partner", args=[partner_id])
    form = LabelForm(request.POST or None, initial={"label": key.label})
    if not form.is_valid():
        context = {"key": key, "form": form, "back": back}
        return render_page(request, "keys/rename.html", context, status=422 if form.is_bound else 200)
    key.rename(label=form.cleaned_data["label"], by=request.actor)
    messages.success(request, f"The key is now called {key}.")
    return done(request, redirect_to=back, event="keys:changed")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def ceiling(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    form = CeilingForm(request.POST if request.method == "POST" else None, initial={"ceiling": key.ceiling})
    if form.is_valid():
        try:
            key.cap(ceiling=form.cleaned_data["ceiling"], by=request.actor)
        except AboveBudget as above:
            form.add_error("ceiling", f"The network's budget is {above.most:,}; a higher ceiling would limit nothing.")
        else:
            messages.success(request, f"{key} may make {key.ceiling_in_words}.")
            return done(request, redirect_to=reverse("keys:partner", args=[partner_id]), event="keys:changed")
    context = {"key": key, "form": form, "settings": Network.load(), "back": reverse("keys:partner", args=[partner_id])}
    return render_page(request, "keys/ceiling.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
@never_cache
@limited("20/m", by=by_user, what="Issuing keys")
def rotate(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    form = RotateForm(request.POST if request.method == "POST" else None)
    back = reverse("keys:partner", args=[partner_id])
    if not form.is_valid():
        context = {"key": key, "form": form, "back": back}
        return render_page(request, "keys/rotate.html", context, status=422 if form.is_bound else 200)
    try:
        successor, _ = key.rotate(grace=form.cleaned_data["grace"], by=request.actor)
        messages.success(request, f"{successor} was issued to replace {key.hint}. Both work until it is first used.")
    except AlreadyRotated as earlier:
        successor = earlier.successor
        messages.info(request, f"{successor} had been issued to replace it already.")
    except NotRotatable:
        messages.warning(
            request, f"{key} is {key.state.label.lower()}: there is nothing to replace. Add a key instead."
        )
        return done(request, redirect_to=back, event="keys:changed")
    send_url = reverse("keys:send", args=[partner_id, successor.pk])
    return done(request, redirect_to=send_url, event="keys:changed", next_dialog=send_url)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
def revoke(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    back = reverse("keys:partner", args=[partner_id])
    if request.method != "POST":
        others = key.partner.keys.live().exclude(pk=key.pk).count() if key.partner else 0
        return render_page(request, "keys/revoke.html", {"key": key, "others": others, "back": back})
    return revoke_and_tell(request, key, back=back)


def revoke_and_tell(request: UserRequest, key: Key, *, back: str) -> HttpResponse:
    try:
        key.revoke(by=request.actor)
        messages.success(request, f"{key} was revoked.")
    except AlreadyRevoked:
        key.refresh_from_db()
        messages.info(request, f"{key} had been revoked already, by {key.revoked_by}.")
    return done(request, redirect_to=back, event="keys:changed")


def partner_of(request: UserRequest, partner_id: int) -> Partner:
    return get_object_or_404(Partner.objects.visible_to(request.user).select_related("manager"), pk=partner_id)


def key_of(request: UserRequest, partner_id: int, key_id: int) -> Key:
    partners = Partner.objects.visible_to(request.user).filter(pk=partner_id)
    return get_object_or_404(Key.objects.filter(partner__in=partners).for_listing(), pk=key_id)


def keys_url(partner: Partner) -> str:
    return reverse("keys:partner", args=[partner.pk])


def exported(partner: Partner) -> Iterator[Row]:
    for key in partner.keys.for_listing().iterator(chunk_size=500):
        yield {
            "label": key.label,
            "key": key.hint,
            "status": key.state.value,
            "created_at": key.created_at,
            "created_by": key.created_by,
            "last_used_at": key.last_used_at,
            "last_used_ip": str(key.last_used_ip) if key.last_used_ip else None,
            "revoked_at": key.revoked_at,
            "revoked_by": key.revoked_by,
            "ip_allowlist": [str(entry) for entry in key.allowlist.all()],
        }
