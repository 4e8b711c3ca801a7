"""What people are told of a key: the words for each thing that can happen to one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from portal.notifications.kinds import Kind
from portal.notifications.models import Telling

if TYPE_CHECKING:
    from datetime import datetime

    from keys.models import Key, KeyRequest
    from portal.accounts.actors import Actor
    from portal.accounts.models import Event

# How long before a key's end people are told of it; each once.
WARNED = (timedelta(days=1), timedelta(days=7))


def of_request(request: KeyRequest, *, by: Actor) -> Telling:
    return Telling(
        kind=Kind.KEY_REQUESTED,
        subject="A key is requested",
        once=str(request.pk),
        partner=request.partner,
        by=by,
        facts={
            "What it is for": request.purpose,
            "Technical contact": request.contact_email,
            "Fixed addresses": request.addresses_in_words,
        },
    )


def of_decision(request: KeyRequest, *, by: Actor) -> Telling:
    return Telling(
        kind=Kind.KEY_REQUEST_DECIDED,
        subject=f"Your request for a key was {request.state.label.lower()}",
        once=str(request.pk),
        partner=request.partner,
        by=by,
        facts={
            "What it is for": request.purpose,
            "Key": str(request.key or ""),
            "Reason": request.reason,
        },
    )


def of_issue(key: Key, *, answers_request: bool, by: Actor) -> Telling:
    """Whose request it answers is told of that, in words of its own."""
    return Telling(
        kind=Kind.KEY_ISSUED,
        subject=f"Key {key.label} was issued",
        once=str(key.pk),
        partner=key.partner,
        to_partner=not answers_request,
        by=by,
        facts={"Key": str(key)},
    )


def of_rotation(key: Key, successor: Key, *, by: Actor) -> Telling:
    return Telling(
        kind=Kind.KEY_ISSUED,
        subject=f"Key {key.label} was rotated",
        once=str(successor.pk),
        partner=key.partner,
        by=by,
        facts={
            "New key": successor.hint,
            "Old key": key.hint,
            "The old key ends": f"{successor.grace_in_words} the first call with the new one",
        },
    )


def of_network_key(key: Key, *, replaced: Key | None, by: Actor) -> Telling:
    return Telling(
        kind=Kind.NETWORK_KEY_GENERATED,
        subject="A network key was generated",
        once=str(key.pk),
        by=by,
        facts={"Key": key.hint, "The one before it": f"{replaced.hint} works no more" if replaced else ""},
    )


def of_revocation(key: Key, *, by: Actor) -> Telling:
    return Telling(
        kind=Kind.NETWORK_KEY_REVOKED if key.partner is None else Kind.KEY_REVOKED,
        subject="The network key was revoked" if key.partner is None else f"Key {key.label} was revoked",
        once=str(key.pk),
        partner=key.partner,
        by=by,
        facts={"Key": str(key)},
    )


def of_reveal(key: Key, event: Event, *, by: Actor) -> Telling:
    """Of a key that was shown or copied by somebody who had not seen it: once for each person, and for each time that
    a one-time link showed it to nobody knows whom."""
    person, how = by.impersonator or by.user, str(event.details["how"])
    is_ours = person is not None and person.is_network_user
    return Telling(
        kind=Kind.KEY_REVEALED,
        subject=f"Key {key.label} was {'copied by' if how == 'copied' else 'shown to'} someone new",
        once=f"{key.pk} to {person.pk}" if person else f"{key.pk} in event {event.pk}",
        partner=key.partner,
        by=by,
        # Where the network's people sit is no concern of a partner's; the History Logs have it.
        facts={"Key": str(key), "How": "" if person else how, "From": "" if is_ours else str(by.ip or "")},
    )


def of_expiry(key: Key, *, expires_at: datetime, now: datetime, by: Actor) -> Telling:
    """Of a live key that ends within seven days."""
    ahead = next(ahead for ahead in WARNED if expires_at - now <= ahead)
    within = "within a day" if ahead.days == 1 else f"within {ahead.days} days"
    return Telling(
        kind=Kind.KEY_EXPIRING,
        subject=f"Key {key.label} expires {within}",
        # A key whose end is moved is another matter.
        once=f"{key.pk} on {expires_at:%Y-%m-%dT%H:%M:%S.%f} {within}",
        partner=key.partner,
        by=by,
        facts={"Key": str(key), "Expires": expires_at},
    )
