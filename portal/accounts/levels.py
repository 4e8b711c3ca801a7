"""The areas of the portal and the levels a role can have in each (design.md section 4)."""

from __future__ import annotations

from enum import Enum


class Level(Enum):
    """A level of an area; its position is its height, and the column of a role stores its value."""

    @property
    def height(self) -> int:
        return list(type(self)).index(self)

    @property
    def area(self) -> str:
        return AREAS[type(self)][0]

    @property
    def label(self) -> str:
        """How a person is told, e.g. "Security: full control"."""
        return f"{AREAS[type(self)][1]}: {self.value.replace('_', ' ')}"

    @property
    def name_in_words(self) -> str:
        return str(self.value).replace("_", " ").capitalize()

    @property
    def explanation(self) -> str:
        """What the level lets somebody do."""
        return EXPLANATIONS[self]

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        return [(level.value, level.value.replace("_", " ").capitalize()) for level in cls]


class Security(Level):
    NONE = "none"
    VIEW = "view"
    FULL_CONTROL = "full_control"


class AccountsHistoryLogs(Level):
    NONE = "none"
    READ = "read"
    FULL_ACCESS = "full_access"


class SystemSettings(Level):
    NONE = "none"
    VIEW = "view"
    FULL = "full"


class Partners(Level):
    NONE = "none"
    VIEW = "view"
    FULL = "full"


AREAS: dict[type[Level], tuple[str, str]] = {
    Security: ("security", "Security"),
    AccountsHistoryLogs: ("accounts_history_logs", "Accounts & History Logs"),
    SystemSettings: ("system_settings", "System Settings"),
    Partners: ("partners", "Partners"),
}

EXPLANATIONS: dict[Level, str] = {
    Security.NONE: "does not see roles and their levels",
    Security.VIEW: "sees roles and their levels",
    Security.FULL_CONTROL: "changes roles; issues, reveals and revokes partner keys",
    AccountsHistoryLogs.NONE: "sees neither accounts nor the History Logs",
    AccountsHistoryLogs.READ: "sees accounts and the History Logs, and exports them",
    AccountsHistoryLogs.FULL_ACCESS: "invites and deactivates people; issues, reveals and revokes partner keys",
    SystemSettings.NONE: "does not see System Settings",
    SystemSettings.VIEW: "sees the network's settings, the API Log and Status",
    SystemSettings.FULL: "changes the network's settings and generates the network key",
    Partners.NONE: "does not see partners",
    Partners.VIEW: "sees partners, and their keys as hints",
    Partners.FULL: "edits partners, invites their users and views the portal as them",
}
