"""A worker's shift at the postbacks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from partners import shifts
from partners.postbacks.models import LONGEST_PROBLEM, Attempt, Claimed, Delivery, Postback, Sent
from partners.postbacks.sending import send
from partners.postbacks.vocabulary import POSTBACK
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

# Of one postback: its receiver is a machine, too.
AT_ONCE_OF_ONE = 64


class Shift(shifts.Shift[Claimed, Sent]):
    """``run`` delivers postbacks until ``is_over`` says so, and then until what is under way has ended."""

    def settle_and_claim(self, results: Sequence[Sent], room: int, busy: Counter[int]) -> list[Claimed]:
        return settle_and_claim(results, room, busy)

    async def attempted(self, claim: Claimed) -> Sent:
        return await attempted(claim)

    def owner_of(self, claim: Claimed) -> int:
        return claim.postback_id

    def is_delivered(self, result: Sent) -> bool:
        return result.is_delivered


def settle_and_claim(results: Sequence[Sent], room: int, busy: Counter[int]) -> list[Claimed]:
    if results:
        Delivery.objects.settle(results)
    return Delivery.objects.claim(room, busy=busy, share=AT_ONCE_OF_ONE) if room else []


def send_test(postback: Postback, *, by: Actor) -> Attempt:
    """Calls the postback's URL now, once, with an invented conversion, and keeps the attempt as a test: it counts in no
    statistics, repeats nothing and pauses nothing, but leaves an event, because the receiver is somebody's. Takes ten
    seconds at most. The header Latchkey-Test says what it is.
    """
    facts: dict[str, object] = dict(POSTBACK.samples) | {"affiliate_id": postback.partner_id}
    if postback.offer is not None:
        own = {"offer_id": postback.offer.pk, "offer_name": postback.offer.name, "currency": postback.offer.currency}
        facts |= own
    answer = asyncio.run(send(postback.template.fill(facts), (("Latchkey-Test", "1"),)))
    with transaction.atomic():
        attempt = Attempt.objects.create(
            partner=postback.partner,
            postback=postback,
            at=answer.at,
            url=answer.url,
            status=answer.status,
            problem=answer.problem[:LONGEST_PROBLEM],
            answer=answer.body,
            duration_ms=answer.duration_ms,
        )
        details = {"result": attempt.problem or "It arrived."}
        Event.record(EventKind.POSTBACK_TESTED, by=by, subject=postback, partner=postback.partner, details=details)
    return attempt


async def attempted(claimed: Claimed) -> Sent:
    # With it a receiver tells a repeated call from a second conversion.
    answer = await send(claimed.url, (("Latchkey-Delivery", str(claimed.delivery_id)),))
    return Sent(claimed, answer.at, answer.url, answer.status, answer.problem, answer.body, answer.duration_ms)
