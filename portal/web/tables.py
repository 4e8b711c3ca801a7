"""Tables of django_tables2 as the URL asks for them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django_tables2 import RequestConfig


def configure(request: HttpRequest, table: Any, *, per_page: int) -> None:
    """Puts the table in the order and turns to the page that the URL names; to the first or the last when there is no
    such page.

    How long a page is, the URL does not say. django_tables2 by itself would let it: whoever writes ``per_page`` into
    it gets all rows at once, or an error for a number below zero.
    """
    RequestConfig(request, paginate=False).configure(table)
    table.paginate(per_page=per_page)
    table.page = table.paginator.get_page(request.GET.get(table.prefixed_page_field))
