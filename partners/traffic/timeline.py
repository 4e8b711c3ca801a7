"""What happened to a conversion, in the order of time: the click before it, its holding period, what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from partners.traffic.models import Conversion, Hold
from partners.traffic.models.visits import SUBS
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.countries import COUNTRIES
from portal.network.currencies import amount_in_words

MOST_EVENTS = 50
# What was decided before the events of it were kept, or by the tracking itself, is told by the row alone.
DECIDED = (Conversion.Status.APPROVED, Conversion.Status.REJECTED, Conversion.Status.INVALID)
AT_ONCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Moment:
    """``status`` gives it its colour; ``note`` is what else is to be said."""

    at: datetime
    title: str
    note: str = ""
    status: str = ""


def timeline_of(conversion: Conversion, *, names_people: bool) -> list[Moment]:
    """``names_people``: says who decided, which is for the network's own eyes."""
    decisions = decisions_on(conversion, names_people=names_people) or told_by_the_row(conversion)
    # What nobody has decided over since is still what it was recorded as.
    first_status = "" if decisions or conversion.status == Conversion.Status.ON_HOLD else conversion.status
    moments = [*arrival_of(conversion), reported(conversion, first_status), *events_after(conversion)]
    moments += [*decisions, *end_of_hold(conversion)]
    return sorted(moments, key=lambda moment: moment.at)


def arrival_of(conversion: Conversion) -> list[Moment]:
    if conversion.clicked_at is None:
        return []
    what = "Impression" if conversion.is_view_through else "Click"
    return [Moment(conversion.clicked_at, what, where_from(conversion))]


def where_from(conversion: Conversion) -> str:
    known = [conversion.country_code, conversion.platform, conversion.browser, conversion.source_id]
    return " · ".join(filter(None, known))


def reported(conversion: Conversion, status: str) -> Moment:
    title = f"Event “{conversion.event_name}” reported" if conversion.is_event else "Conversion reported"
    if conversion.clicked_at is not None:
        notes = [f"{in_words(conversion.at - conversion.clicked_at)} later"]
    else:
        notes = [f"By its coupon code {conversion.coupon_code} alone"] if conversion.coupon_code else []
    notes += [f"order {conversion.order_id}"] if conversion.order_id else []
    return Moment(conversion.at, title, " · ".join(notes), status)


def in_words(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes < 1:
        return f"{max(int(span.total_seconds()), 0)} s"
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def events_after(conversion: Conversion) -> list[Moment]:
    """The events on the same click, of a conversion that is none itself."""
    if conversion.is_event:
        return []
    same = Conversion.objects.filter(partner_id=conversion.partner_id, transaction_id=conversion.transaction_id)
    events = same.filter(is_event=True).order_by("id")[:MOST_EVENTS]
    currency = conversion.offer.currency
    return [
        Moment(event.at, f"Event “{event.event_name}”", amount_in_words(event.payout, currency), event.status)
        for event in events
    ]


def decisions_on(conversion: Conversion, *, names_people: bool) -> list[Moment]:
    events = Event.objects.about_partner(conversion.partner_id).filter(
        subject_type="conversion", details__conversion_id=conversion.id.hex
    )
    return [
        Moment(
            event.occurred_at,
            EventKind(event.kind).label,
            " · ".join(filter(None, [event.actor_label if names_people else "", event.details.get("reason", "")])),
            event.details["status"][1],
        )
        for event in events.order_by("pk")
    ]


def told_by_the_row(conversion: Conversion) -> list[Moment]:
    is_later = conversion.updated_at - conversion.at > AT_ONCE
    if conversion.status not in DECIDED or (not is_later and conversion.status == Conversion.Status.APPROVED):
        return []
    label = conversion.get_status_display()
    return [Moment(max(conversion.updated_at, conversion.at), label, conversion.error_message, conversion.status)]


def end_of_hold(conversion: Conversion) -> list[Moment]:
    """When it will be approved, of one that is on hold."""
    hold = Hold.objects.open().filter(partner_id=conversion.partner_id, conversion_id=conversion.id).first()
    if hold is None:
        return []
    return [
        Moment(hold.until, "Holding period ends", "It is approved then, unless somebody decides before.", "on_hold")
    ]


FACTS = {
    "order_id": "Order ID",
    "coupon_code": "Coupon code",
    "error_message": "Reason",
    "source_id": "Source ID",
    **{sub: f"Sub {sub.removeprefix('sub')}" for sub in SUBS},
    "country": "Country",
    "region": "Region",
    "city": "City",
    "isp": "Provider",
    "carrier": "Carrier",
    "device": "Device",
    "browser": "Browser",
    "language": "Language",
    "ip": "Address at the click",
    "conversion_ip": "Address at the conversion",
    "referer": "Came from",
    "user_agent": "User agent",
    **{f"adv{number}": f"Adv {number}" for number in range(1, 6)},
}


def facts_of(conversion: Conversion, *, names_people: bool) -> list[tuple[str, str]]:
    """What else is known of it, in words. Notes are the network's own."""
    code = conversion.country_code
    device = [conversion.device_make, conversion.device_model, conversion.device_type]
    system = [conversion.platform, conversion.os_version]
    made = {
        "country": COUNTRIES.get(code, code),
        "device": " ".join(filter(None, [*device, "·" if any(device) and any(system) else "", *system])),
        "browser": " ".join(filter(None, [conversion.browser, conversion.browser_version])),
    }
    facts = [(label, made.get(name) or getattr(conversion, name, "") or "") for name, label in FACTS.items()]
    if names_people:
        facts.append(("Notes", conversion.notes))
    return [(label, str(value)) for label, value in facts if value]
