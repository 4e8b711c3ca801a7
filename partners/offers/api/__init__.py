"""The Affiliate API of offers and of what comes with them (wire.md sections 2 and 6)."""

from __future__ import annotations

from partners.offers.api import offers, promotions

routers = (offers.affiliates, promotions.affiliates)
