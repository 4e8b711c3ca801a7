"""What a view can ask of a user, as constants to name in ``@requires``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.accounts.levels import (
    AccountsHistoryLogs,
    Level,
    Partners,
    Security,
    SystemSettings,
)

if TYPE_CHECKING:
    from portal.accounts.models import User


@dataclass(frozen=True)
class CoreRight:
    """Held by network users whose role reaches one of ``levels``, and by Super Users."""

    levels: tuple[Level, ...]

    @property
    def label(self) -> str:
        return " or ".join(level.label for level in self.levels)

    def is_reached_by(self, user: User) -> bool:
        return user.is_network_user

    def is_held_by(self, user: User) -> bool:
        return user.is_network_user and any(user.has_level(level) for level in self.levels)

    def is_held_by_impersonator(self, user: User) -> bool:
        return self.is_held_by(user)

    def __or__(self, other: CoreRight) -> CoreRight:
        return CoreRight(self.levels + other.levels)


@dataclass(frozen=True)
class PartnerRight:
    """Held by every user of a partner, for that partner alone; ``behalf`` is what an impersonator needs."""

    behalf: CoreRight

    @property
    def label(self) -> str:
        return self.behalf.label

    def is_reached_by(self, user: User) -> bool:
        return user.is_partner_user

    def is_held_by(self, user: User) -> bool:
        return user.is_partner_user

    def is_held_by_impersonator(self, user: User) -> bool:
        return self.behalf.is_held_by(user)


@dataclass(frozen=True)
class OwnRight:
    """Concerns the signed-in person alone. ``for_impersonator`` says whether someone who views as them may do it."""

    label: str
    for_impersonator: bool = True

    def is_reached_by(self, user: User) -> bool:
        return True

    def is_held_by(self, user: User) -> bool:
        return user.is_active

    def is_held_by_impersonator(self, user: User) -> bool:
        return self.for_impersonator


def at_least(*levels: Level) -> CoreRight:
    return CoreRight(levels)


VIEW_PARTNERS = at_least(Partners.VIEW)
CHANGE_PARTNERS = at_least(Partners.FULL)
ISSUE_PARTNER_KEYS = at_least(Security.FULL_CONTROL) | at_least(AccountsHistoryLogs.FULL_ACCESS)
VIEW_SYSTEM_SETTINGS = at_least(SystemSettings.VIEW)
CHANGE_SYSTEM_SETTINGS = at_least(SystemSettings.FULL)
VIEW_SECURITY = at_least(Security.VIEW)
CHANGE_SECURITY = at_least(Security.FULL_CONTROL)
VIEW_ACCOUNTS = at_least(AccountsHistoryLogs.READ)
CHANGE_ACCOUNTS = at_least(AccountsHistoryLogs.FULL_ACCESS)
IMPERSONATE = CHANGE_PARTNERS | CHANGE_ACCOUNTS

MY_ACCOUNT = PartnerRight(behalf=VIEW_PARTNERS)
CHANGE_OWN_ACCOUNT = PartnerRight(behalf=CHANGE_PARTNERS)
REVEAL_OWN_KEYS = PartnerRight(behalf=ISSUE_PARTNER_KEYS)

SIGNED_IN = OwnRight("an account")
# A password is its owner's alone: whoever views as somebody else must not be able to take the account over.
OWN_PASSWORD = OwnRight("your own account: stop viewing as somebody else first", for_impersonator=False)
# What somebody was told, and wants to be told, is theirs: a look over their shoulder must not hide it from them.
OWN_NOTIFICATIONS = OwnRight("your own account: stop viewing as somebody else first", for_impersonator=False)
