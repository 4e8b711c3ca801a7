from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import django_tables2 as tables

from portal.accounts.levels import AREAS
from portal.accounts.models import Role, User

CELLS = "accounts/cells"


class UserTable(tables.Table):  # type: ignore[misc]
    """What network users and partner users have in common."""

    name = tables.TemplateColumn(template_name=f"{CELLS}/name.html", order_by=("name", "pk"))
    status = tables.TemplateColumn(template_name=f"{CELLS}/status.html", orderable=False)
    last_login = tables.TemplateColumn(
        template_name=f"{CELLS}/last_login.html",
        verbose_name="Last signed in",
        order_by=("last_login", "pk"),
    )
    menu = tables.TemplateColumn(template_name=f"{CELLS}/menu.html", orderable=False, verbose_name="Actions")

    class Meta:
        model = User
        fields = ()
        row_attrs = {"data-muted": lambda record: "" if not record.is_active else None}


class NetworkUserTable(UserTable):
    standing = tables.Column(verbose_name="Role", order_by=("-is_superuser", "role__name", "pk"))

    class Meta(UserTable.Meta):
        sequence = ("name", "standing", "status", "last_login", "menu")
        attrs = {"aria-label": "Network users"}
        empty_text = "Nobody matches"


class PartnerUserTable(UserTable):
    partner = tables.TemplateColumn(template_name=f"{CELLS}/partner.html", order_by=("partner__name", "pk"))

    class Meta(UserTable.Meta):
        sequence = ("name", "partner", "status", "last_login", "menu")
        attrs = {"aria-label": "Partner users"}
        empty_text = "Nobody matches"


class RoleTable(tables.Table):  # type: ignore[misc]
    """The roles with their levels as a matrix; Super User, who is no role, stands first."""

    name = tables.TemplateColumn(template_name=f"{CELLS}/role.html", verbose_name="Role", orderable=False)
    people = tables.TemplateColumn(template_name=f"{CELLS}/people.html", orderable=False)
    menu = tables.TemplateColumn(template_name=f"{CELLS}/role_menu.html", orderable=False, verbose_name="Actions")

    class Meta:
        attrs = {"aria-label": "Roles"}
        sequence = ("name", *(area for area, _ in AREAS.values()), "people", "menu")

    @classmethod
    def of(cls, roles: Iterable[Role], *, super_users: int, own: int | None) -> RoleTable:
        """``own`` is the id of the role that the one who looks has."""
        highest = {area: list(levels)[-1] for levels, (area, _) in AREAS.items()}
        rows: list[dict[str, Any]] = [{"role": None, "name": "Super User", "people": super_users, **highest}]
        rows += [
            {
                "role": role,
                "name": role.name,
                "people": role.people,
                "is_own": role.pk == own,
                **{level.area: level for level in role.levels},
            }
            for role in roles
        ]
        columns = [
            (area, tables.TemplateColumn(template_name=f"{CELLS}/level.html", verbose_name=label, orderable=False))
            for area, label in AREAS.values()
        ]
        return cls(rows, extra_columns=columns)
