from __future__ import annotations

import django_tables2 as tables

from keys.models import KeyQuerySet


class KeyTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    """A partner's keys. ``partner`` is whose; the cells link to their dialogs."""

    label = tables.Column()
    key = tables.TemplateColumn(template_name="keys/cells/secret.html", orderable=False, verbose_name="Key")
    created_at = tables.TemplateColumn(template_name="keys/cells/created.html", verbose_name="Created")
    created_by = tables.Column(verbose_name="Created by")
    last_used_at = tables.TemplateColumn(template_name="keys/cells/last_used.html", verbose_name="Last used")
    state = tables.TemplateColumn(template_name="keys/cells/state.html", orderable=False, verbose_name="Status")
    allowlist = tables.TemplateColumn(
        template_name="keys/cells/allowlist.html", orderable=False, verbose_name="IP allowlist"
    )
    menu = tables.TemplateColumn(
        template_name="keys/cells/menu.html", orderable=False, verbose_name="Actions", empty_values=()
    )

    class Meta:
        attrs = {"aria-label": "API Keys"}
        row_attrs = {"data-muted": lambda record: None if record.is_live else "", "data-key": lambda record: record.pk}
        empty_text = "No keys yet"

    def order_last_used_at(self, keys: KeyQuerySet, is_descending: bool) -> tuple[KeyQuerySet, bool]:
        return keys.by_last_use(latest_first=is_descending), True
