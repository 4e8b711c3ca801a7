"""What stands against handing a partner a key, for the one who is about to."""

from __future__ import annotations

from dataclasses import dataclass

from partners.models import Flag, Partner


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
