"""The Affiliate API of a partner's traffic, and of what is kept out of it (wire.md sections 2, 4, 5 and 9)."""

from __future__ import annotations

from partners.traffic.api import clicks, conversions, rules

routers = (conversions.affiliates, clicks.affiliates, rules.affiliates)
