from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables

EVERY = "Every offer"


class PostbackTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    """A partner's postbacks; the cells link to their dialogs, by the ``place`` in the page's context."""

    # Every order ends in the primary key, or rows could trade places between two pages.
    number = tables.TemplateColumn(
        template_name="postbacks/cells/number.html",
        verbose_name="No.",
        accessor="pk",
        order_by=("pk",),
        attrs={"td": {"class": "numeric"}},
    )
    offer = tables.Column("Offer", accessor="offer__name", default=EVERY, order_by=("offer__name", "pk"))
    pixel_type = tables.Column("Fires on", order_by=("pixel_type", "pk"))
    delivers = tables.TemplateColumn(
        template_name="postbacks/cells/delivers.html", verbose_name="URL", orderable=False, empty_values=()
    )
    delay_ms = tables.TemplateColumn(
        template_name="postbacks/cells/delay.html", verbose_name="Delay", order_by=("delay_ms", "pk")
    )
    status = tables.TemplateColumn(template_name="postbacks/cells/status.html", order_by=("paused_at", "pk"))
    menu = tables.TemplateColumn(
        template_name="postbacks/cells/menu.html", orderable=False, verbose_name="Actions", empty_values=()
    )

    class Meta:
        attrs: ClassVar = {"aria-label": "Postbacks"}
        empty_text = "No postbacks yet"


class AttemptTable(tables.Table):  # type: ignore[misc]
    """A postback's attempts; the cells link by the ``place`` in the page's context."""

    at = tables.TemplateColumn(template_name="postbacks/cells/at.html", verbose_name="Date / Time")
    told = tables.TemplateColumn(template_name="postbacks/cells/told.html", verbose_name="Told", empty_values=())
    outcome = tables.TemplateColumn(template_name="postbacks/cells/outcome.html", empty_values=())
    status = tables.Column("HTTP status", default="–", attrs={"td": {"class": "numeric"}})
    duration_ms = tables.TemplateColumn(
        "{{ value }} ms", verbose_name="Duration", attrs={"td": {"class": "numeric nowrap"}}
    )
    menu = tables.TemplateColumn(template_name="postbacks/cells/retry.html", verbose_name="Retry", empty_values=())

    class Meta:
        attrs: ClassVar = {"aria-label": "Attempts, newest first"}
        orderable = False
        empty_text = "No attempts yet"
