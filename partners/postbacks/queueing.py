"""What a conversion's change gives the partner's postbacks to tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils.timezone import now

from partners.offers.models import Offer
from partners.postbacks.models import Delivery, Postback
from partners.traffic.changes import Change
from partners.traffic.models import Conversion
from portal.network.currencies import rounded

Status = Conversion.Status
# What came to count, or may still.
STANDING = frozenset({Status.APPROVED, Status.PENDING, Status.ON_HOLD})
KEPT_OF_A_CONVERSION = (
    "event_name",
    "order_id",
    "coupon_code",
    "source_id",
    *(f"sub{number}" for number in range(1, 11)),
    *(f"adv{number}" for number in range(1, 6)),
)


def queue(change: Change) -> None:
    """Queues, in the transaction of the change, what the partner's active postbacks have to tell of it.

    Which of them are told what is decided by their URL, there being no field for it:

    - every one, that a conversion became approved; without {status} in its URL once for each conversion, because the
      receiver would take a second call for a second conversion;
    - one with {status} in its URL is also told that it was recorded as pending or on hold, and that it was taken back
      (rejected, which an invalid one is to the partner, too).

    What was invalid or rejected from the beginning is told to nobody: there is nothing to take back. Postbacks of type
    conversion are told of conversions, those of type post_conversion of the events after them. HTML code is shown by
    the page that reports a conversion, and is not sent.
    """
    conversion = change.conversion
    told = status_told(change.was, conversion.status)
    if not told:
        return
    kind = Postback.PixelType.POST_CONVERSION if conversion.is_event else Postback.PixelType.CONVERSION
    asked = Postback.objects.active().filter(
        Q(offer=None) | Q(offer=conversion.offer_id),
        partner=conversion.partner_id,
        pixel_type=kind,
        delivery_method=Postback.DeliveryMethod.POSTBACK,
    )
    postbacks = [postback for postback in asked.order_by("pk") if tells_status(postback) or told == Status.APPROVED]
    if change.was is not None:
        postbacks = without_repeated(postbacks, conversion)
    if postbacks:
        Delivery.objects.bulk_create(deliveries_of(conversion, told, postbacks))


def queue_all(changes: Sequence[Change]) -> None:
    """As ``queue`` of each; a partner without any postback to be told takes no step of its own."""
    partners = {change.conversion.partner_id for change in changes}
    asked = Postback.objects.active().filter(partner__in=partners, delivery_method=Postback.DeliveryMethod.POSTBACK)
    told = set(asked.values_list("partner_id", flat=True))
    for change in changes:
        if change.conversion.partner_id in told:
            queue(change)


def status_told(was: str | None, status: str) -> str:
    """What the partner is told it is now; "" for nothing."""
    if status == was:
        return ""
    if status in STANDING:
        return status
    return Status.REJECTED if was in STANDING else ""


def tells_status(postback: Postback) -> bool:
    return "status" in postback.template.macros


def without_repeated(postbacks: list[Postback], conversion: Conversion) -> list[Postback]:
    """Without those that cannot tell approved from approved again, and have told it before."""
    mute = [postback.pk for postback in postbacks if not tells_status(postback)]
    told = Delivery.objects.filter(postback__in=mute, conversion_id=conversion.id)
    repeated = set(told.values_list("postback_id", flat=True)) if mute else set()
    return [postback for postback in postbacks if postback.pk not in repeated]


def deliveries_of(conversion: Conversion, told: str, postbacks: Iterable[Postback]) -> list[Delivery]:
    moment, facts = now(), facts_of(conversion, told)
    return [
        Delivery(
            partner_id=conversion.partner_id,
            postback=postback,
            conversion_id=conversion.id,
            status=told,
            facts=facts,
            created_at=moment,
            due_at=moment + timedelta(milliseconds=postback.delay_ms),
        )
        for postback in postbacks
    ]


def facts_of(conversion: Conversion, told: str) -> dict[str, Any]:
    """What the macros stand for (wire.md section 7); what is empty is left out, and filled by nothing."""
    offer = Offer.objects.only("name", "currency").get(pk=conversion.offer_id)
    facts: dict[str, Any] = {
        "transaction_id": conversion.transaction_id.hex,
        "conversion_id": conversion.id.hex,
        "offer_id": conversion.offer_id,
        "offer_name": offer.name,
        "affiliate_id": conversion.partner_id,
        "payout_amount": str(rounded(conversion.payout, offer.currency)),
        "sale_amount": str(rounded(conversion.sale_amount, offer.currency)),
        "currency": offer.currency,
        "status": str(told),
        "timestamp": int(conversion.at.timestamp()),
    }
    kept = {name: getattr(conversion, name) for name in KEPT_OF_A_CONVERSION}
    return facts | {name: value for name, value in kept.items() if value}
