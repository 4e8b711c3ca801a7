"""The request as the site's middleware leaves it, for views to name in their signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from portal.accounts.actors import Actor
    from portal.accounts.models import User


class UserRequest(HttpRequest):
    """A request of someone who is signed in."""

    user: User
    impersonator: User | None
    actor: Actor
    htmx: HtmxDetails
