from __future__ import annotations

from portal.accounts.models.history import Event, EventQuerySet
from portal.accounts.models.people import (
    AboveOwnLevels,
    AlreadyDeactivated,
    NoLongerActive,
    OwnRole,
    Role,
    RoleQuerySet,
    User,
    UserQuerySet,
    as_of_now,
    refuse_to_lift,
)

__all__ = [
    "AboveOwnLevels",
    "AlreadyDeactivated",
    "Event",
    "EventQuerySet",
    "NoLongerActive",
    "OwnRole",
    "Role",
    "RoleQuerySet",
    "User",
    "UserQuerySet",
    "as_of_now",
    "refuse_to_lift",
]
