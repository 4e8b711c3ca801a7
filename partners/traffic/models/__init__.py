"""What happened: impressions, clicks, conversions, and the rules that decided over them."""

from __future__ import annotations

from partners.traffic.models.conversions import (
    AlreadyDecided,
    Conversion,
    Hold,
    HoldAlreadyEnded,
    IsOnHold,
    NotOnHold,
    Receipt,
)
from partners.traffic.models.outbox import Followed, OutboxEntry, TrafficIsBusy
from partners.traffic.models.recording import Report, Source, UnknownEvent
from partners.traffic.models.rules import (
    AlreadyActive,
    AlreadyBlocked,
    AlreadyLifted,
    AlreadyPaused,
    TrafficBlock,
    TrafficControl,
)
from partners.traffic.models.visits import NEW_AGAIN_AFTER, CapCount, Click, Impression, Refusal, Visit, Visitor

__all__ = [
    "NEW_AGAIN_AFTER",
    "AlreadyActive",
    "AlreadyBlocked",
    "AlreadyDecided",
    "AlreadyLifted",
    "AlreadyPaused",
    "CapCount",
    "Click",
    "Conversion",
    "Followed",
    "Hold",
    "HoldAlreadyEnded",
    "Impression",
    "IsOnHold",
    "NotOnHold",
    "OutboxEntry",
    "Receipt",
    "Refusal",
    "Report",
    "Source",
    "TrafficBlock",
    "TrafficControl",
    "TrafficIsBusy",
    "UnknownEvent",
    "Visit",
    "Visitor",
]
