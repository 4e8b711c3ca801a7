"""The network's time zone, for pages whose times are entered or compared and not only read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from portal.network.models import Network

View = Callable[..., HttpResponseBase]


def in_network_time(view: View) -> View:
    """Times that the view's forms read, and those that its templates show, are in the network's time zone."""

    @wraps(view)
    def timed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with timezone.override(Network.load().zone):
            return view(request, *args, **kwargs)

    return timed
