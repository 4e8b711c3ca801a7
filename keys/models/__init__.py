from __future__ import annotations

from keys.models.allowlist import AllowlistEntry
from keys.models.key import (
    AlreadyIssued,
    AlreadyListed,
    AlreadyRevoked,
    AlreadyRotated,
    Key,
    KeyQuerySet,
    NetworkKeyChanged,
    NotRevealable,
    NotRotatable,
)
from keys.models.limits import AboveBudget, OperationLimit, Window
from keys.models.request import (
    AlreadyDecided,
    AlreadyRequested,
    CannotRequest,
    HasLiveKey,
    KeyRequest,
    PartnerPaused,
    RequestsTurnedOff,
)
from keys.models.share import LinkExpired, LinkUsed, ShareLink

__all__ = [
    "AboveBudget",
    "AllowlistEntry",
    "AlreadyDecided",
    "AlreadyIssued",
    "AlreadyListed",
    "AlreadyRequested",
    "AlreadyRevoked",
    "AlreadyRotated",
    "CannotRequest",
    "HasLiveKey",
    "Key",
    "KeyQuerySet",
    "KeyRequest",
    "LinkExpired",
    "LinkUsed",
    "NetworkKeyChanged",
    "NotRevealable",
    "NotRotatable",
    "OperationLimit",
    "PartnerPaused",
    "RequestsTurnedOff",
    "ShareLink",
    "Window",
]
