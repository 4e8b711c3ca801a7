"""What happened: impressions, clicks, conversions, and the rules that decided over them."""

from __future__ import annotations

from partners.traffic.models.conversions import Conversion, Hold, Receipt
from partners.traffic.models.rules import TrafficBlock, TrafficControl
from partners.traffic.models.visits import CapCount, Click, Impression, Refusal, Visit, Visitor

__all__ = [
    "CapCount",
    "Click",
    "Conversion",
    "Hold",
    "Impression",
    "Receipt",
    "Refusal",
    "TrafficBlock",
    "TrafficControl",
    "Visit",
    "Visitor",
]
