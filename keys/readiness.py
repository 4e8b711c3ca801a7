"""What stands against handing a partner a key, for the one who is about to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from partners.models import Flag, Partner

# How long a key's end is news for whoever is about to issue the next one.
RECENTLY = timedelta(days=30)


@dataclass(frozen=True)
class Concern:
    """``code`` names it in the form, so that nobody waves through a concern they were not shown."""

    code: str
    title: str
    text: str


def concerns_about(partner: Partner) -> list[Concern]:
    concerns = []
    if partner.status == Partner.Status.ONBOARDING:
        concerns.append(
            Concern(
                "onboarding",
                f"{partner} is still onboarding",
                "A key opens its data before its set-up is finished and checked.",
            )
        )
    if partner.status == Partner.Status.PAUSED:
        concerns.append(Concern("paused", f"{partner} is paused", "A key works for a paused partner all the same."))
    if not partner.has_technical_contact:
        concerns.append(
            Concern(
                "contact",
                "There is no technical contact",
                "Nobody can be told when the key has to be replaced. Add one on the General tab.",
            )
        )
    concerns += [
        Concern(f"flag-{flag.pk}", f"Open {flag.get_kind_display().lower()} flag", flag.note)
        for flag in partner.flags.filter(closed_at=None).order_by("pk")
        if flag.kind in (Flag.Kind.FRAUD, Flag.Kind.QUALITY)
    ]
    return concerns


def concerns_about_request_of(partner: Partner) -> list[Concern]:
    """What stands against the partner, and what has happened to its keys. The request itself names the contact."""
    concerns = [concern for concern in concerns_about(partner) if concern.code != "contact"]
    live = partner.keys.live().order_by("-pk").first()
    if live is not None:
        concerns.append(Concern(f"live-{live.pk}", f"{partner} has a live key", f"{live} by {live.created_by}."))
    revoked = partner.keys.filter(revoked_at__gt=timezone.now() - RECENTLY).order_by("-revoked_at", "-pk").first()
    if revoked is not None:
        concerns.append(
            Concern(
                f"revoked-{revoked.pk}",
                "A key of it was revoked lately",
                f"{revoked} by {revoked.revoked_by}. See that what led to it is settled.",
            )
        )
    return concerns
