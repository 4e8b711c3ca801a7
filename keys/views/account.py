"""My Account → API: a partner's users see the keys of their own partner."""

from __future__ import annotations

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from keys.leaks.models import Leak
from keys.views.secrets import answer_secret
from partners.visible import own_partner
from portal.accounts.rights import MY_ACCOUNT, REVEAL_OWN_KEYS
from portal.web.access import requires
from portal.web.htmx import render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def keys(request: UserRequest) -> HttpResponse:
    partner = own_partner(request)
    found = Prefetch("leaks", Leak.objects.open(), to_attr="found_at")
    live = partner.keys.live().for_listing().select_related("request").prefetch_related(found)
    context = {"partner": partner, "keys": live}
    return render_page(request, "keys/account.html", context, partial="key-list")


@require_POST
@requires(REVEAL_OWN_KEYS)
@never_cache
@limited("30/m", by=by_user, what="Showing or copying keys")
def reveal(request: UserRequest, key_id: int) -> HttpResponse:
    key = get_object_or_404(own_partner(request).keys.for_listing(), pk=key_id)
    return answer_secret(request, key, reveal_url=request.path, back=reverse("keys:account"))
