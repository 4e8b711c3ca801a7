"""The macros of a postback's URL (wire.md section 7), filled from the conversion that it tells of."""

from __future__ import annotations

from partners.macros import SUBS, Macro, Vocabulary

ADVS = tuple(
    Macro(f"adv{number}", f"Value {number} that the advertiser reported", f"adv{number}-value")
    for number in range(1, 6)
)
POSTBACK = Vocabulary(
    Macro("transaction_id", "Number of the click or impression", "01a4b5c6d7e87f90a1b2c3d4e5f60718"),
    Macro("conversion_id", "Number of the conversion", "01a4b5c81f2a7c3d94e5f60718293a4b"),
    Macro("offer_id", "Number of the offer", "42"),
    Macro("offer_name", "Name of the offer", "Candle Club & Co"),
    Macro("affiliate_id", "Number of your account", "7"),
    Macro("payout_amount", "What you are paid for it", "12.50"),
    Macro("sale_amount", "What the customer paid, if the advertiser told", "89.90"),
    Macro("currency", "Currency of the amounts", "USD"),
    Macro("status", "approved, pending, rejected or on_hold", "approved"),
    Macro("event_name", "Name of the event; empty for the conversion itself", "deposit"),
    Macro("order_id", "The advertiser’s order number", "A-10042"),
    Macro("coupon_code", "Coupon code that was used", "SAVE10"),
    Macro("source_id", "Source id of the click", "newsletter"),
    *SUBS,
    *ADVS,
    Macro("timestamp", "When it happened, in unix seconds", "1777593600"),
)
