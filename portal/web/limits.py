"""Limits on sensitive actions, counted by django-ratelimit in the cache that all processes share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from ipaddress import IPv6Address
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django_ratelimit.core import get_usage

from portal.web.client_ip import client_ip

By = Callable[[str, HttpRequest], str]
View = Callable[..., HttpResponseBase]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]


class TooMany(Exception):
    """The limit of an action is spent; answered as 429 that says when to try again."""

    def __init__(self, *, what: str, rate: str, seconds: int) -> None:
        self.seconds = max(seconds, 1)
        count, _, period = rate.partition("/")
        unit = {"s": "second", "m": "minute", "h": "hour", "d": "day"}[period]
        self.sentence = f"{what} is limited to {count} times per {unit}. Try again in {spoken(self.seconds)}."
        super().__init__(self.sentence)


def limited(rate: str, *, by: By, what: str) -> Callable[[View], View]:
    """Counts the view's POSTs and refuses those beyond ``rate``, such as "10/m"; ``what`` begins the sentence why.

    :raises TooMany: when the limit is spent
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            usage = get_usage(request, fn=view, key=by, rate=rate, method=UNSAFE, increment=True)
            if usage is not None and usage["should_limit"]:
                raise TooMany(what=what, rate=rate, seconds=usage["time_left"])
            return view(request, *args, **kwargs)

        return counted

    return decorate


def by_client_ip(group: str, request: HttpRequest) -> str:
    """The client's IPv4 address, or its IPv6 network of 64 bits: one customer has all addresses of such a network."""
    address = client_ip(request)
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def by_email(group: str, request: HttpRequest) -> str:
    """The e-mail address that the form names, in any case."""
    return request.POST.get("email", "").strip().lower()


def by_user(group: str, request: HttpRequest) -> str:
    """The person at the keyboard: the impersonator, when there is one."""
    impersonator = getattr(request, "impersonator", None)
    return str((impersonator or request.user).pk)


def spoken(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minutes"
