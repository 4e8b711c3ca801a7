"""How much of the budget is spent, and by whom: from the window that the gate counts in, and from the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from django.db.models import Count, Q

from apilog.models import LoggedCall, name_keys_and_partners
from keys.gate import Outcome
from keys.models import Window
from portal.network.models import Network
from portal.web.ids import first_id_at

SHOWN = 8
# A call that is refused at the door or by a limit spends nothing; every other one with a key has spent one.
UNSPENT = (
    Outcome.UNKNOWN_KEY,
    Outcome.REVOKED_KEY,
    Outcome.EXPIRED_KEY,
    Outcome.WRONG_REALM,
    Outcome.IP_DENIED,
    Outcome.RATE_LIMITED,
)


@dataclass(frozen=True)
class Share:
    """The calls one key spent in a window and in the last hour."""

    key_id: int
    call: LoggedCall
    in_window: int
    in_hour: int
    refused_in_hour: int


@dataclass(frozen=True)
class Meter:
    """The network's window as it stands. ``resets_in`` and ``seconds`` are seconds."""

    quota: int
    seconds: int
    used: int
    resets_in: int
    shares: list[Share]
    calls_in_hour: int
    refused_in_hour: int

    @property
    def until(self) -> str:
        return f"Starts anew in {self.resets_in} s."

    @property
    def own_in_window(self) -> int:
        return sum(share.in_window for share in self.shares)

    @property
    def almost_spent(self) -> int:
        return ceil(self.quota * 0.9)

    @property
    def well_filled(self) -> int:
        return ceil(self.quota * 0.7)


def meter_of(network: Network, now: datetime, *, partner_id: int | None = None) -> Meter:
    """The meter, with the shares of every key or of one partner's keys alone."""
    start, resets_in = window_at(now, network.budget_seconds)
    window = Window.objects.filter(scope="network", started_at=start).first()
    calls = LoggedCall.objects.filter(key_id__isnull=False, id__gte=first_id_at(now - timedelta(hours=1)))
    if partner_id is not None:
        calls = calls.about_partner(partner_id)
    spent, is_in_window = ~Q(outcome__in=UNSPENT), Q(id__gte=first_id_at(start))
    rows = list(
        calls.order_by()
        .values("key_id", "key_hint", "partner_id")
        .annotate(
            in_window=Count("pk", filter=spent & is_in_window),
            in_hour=Count("pk", filter=spent),
            refused_in_hour=Count("pk", filter=Q(outcome=Outcome.RATE_LIMITED)),
        )
        .order_by("-in_window", "-in_hour", "key_id")
    )
    named = [LoggedCall(key_id=row["key_id"], key_hint=row["key_hint"], partner_id=row["partner_id"]) for row in rows]
    name_keys_and_partners(named[:SHOWN])
    return Meter(
        quota=network.budget_requests,
        seconds=network.budget_seconds,
        used=window.used if window else 0,
        resets_in=resets_in,
        shares=[
            Share(row["key_id"] or 0, call, row["in_window"], row["in_hour"], row["refused_in_hour"])
            for row, call in zip(rows[:SHOWN], named, strict=False)
            if row["in_hour"] or row["refused_in_hour"]
        ],
        calls_in_hour=sum(row["in_hour"] for row in rows),
        refused_in_hour=sum(row["refused_in_hour"] for row in rows),
    )


def window_at(now: datetime, seconds: int) -> tuple[datetime, int]:
    """When the window of that length began in which ``now`` lies, and in how many seconds it ends.

    Windows start at multiples of their length since 1970, as in the function ``keys_admit``.
    """
    epoch = int(now.timestamp())
    start = epoch - epoch % seconds
    return datetime.fromtimestamp(start, UTC), max(1, ceil(start + seconds - now.timestamp()))
