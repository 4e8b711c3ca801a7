"""What the Network API takes for an offer that is launched or changed, under the rules of the pages."""

from __future__ import annotations

from typing import Any, Literal

from django.forms import BaseForm
from django.forms.models import model_to_dict
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic.config import JsonDict

from partners.offers.api.offers import LARGEST_ID
from partners.offers.api.said import OfferSaid, PayoutSaid
from partners.offers.models import Offer, OfferPayout, RevenueType
from partners.offers.models.offer import CAPS, LONGEST_LABEL, MOST_LABELS
from portal.accounts.actors import Actor
from portal.network.currencies import money

# What the dialect calls a field, and what we do.
FIELDS = {
    "name": "name",
    "network_advertiser_id": "advertiser",
    "network_category_id": "category",
    "offer_status": "status",
    "visibility": "visibility",
    "currency_id": "currency",
    "destination_url": "destination_url",
    "preview_url": "preview_url",
    "thumbnail_url": "thumbnail_url",
    "html_description": "description",
    "terms_and_conditions": "terms_and_conditions",
    "date_live_until": "live_until",
    **{cap: cap for cap in CAPS},
    "holding_period_days": "holding_period_days",
    "click_lifespan_days": "click_lifespan_days",
    "redirect_network_offer_id": "redirect_offer",
    "labels": "labels",
}
ON_THE_WIRE = {ours: named for named, ours in FIELDS.items()} | {
    "countries": "ruleset.countries",
    "conversion_approval": "is_must_approve_conversion",
}
PAYOUT_FIELDS = {
    "payout_type": "payout_type",
    "payout_amount": "amount",
    "payout_percentage": "percentage",
    "revenue_type": "revenue_type",
    "revenue_amount": "revenue_amount",
    "revenue_percentage": "revenue_percentage",
}
PAYOUT_ON_THE_WIRE = {ours: named for named, ours in PAYOUT_FIELDS.items()} | {"event_name": "entry_name"}
PAYOUT_CAPS = tuple(cap for cap in CAPS if cap.endswith("_payout_cap"))
REVENUE = ("revenue_type", "revenue_amount", "revenue_percentage")
# What the payout for the conversion itself is called.
BASE = "Base"
MOST_PAYOUTS = 100
A_DAY = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"

ENTRY: JsonDict = {
    "entry_name": BASE,
    "payout_type": "cpa_cps",
    "payout_amount": 4.0,
    "payout_percentage": 6.0,
    "revenue_type": "rpa_rps",
    "revenue_amount": 5.5,
    "revenue_percentage": 8.0,
}
SENT: JsonDict = {
    "name": "Tallow & Reed: candles by post",
    "network_advertiser_id": 7,
    "network_category_id": 3,
    "destination_url": "https://www.tallow-reed.example/?click={transaction_id}",
    "offer_status": "active",
    "visibility": "require_approval",
    "currency_id": "EUR",
    "daily_conversion_cap": 200,
    "ruleset": {"countries": [{"country_code": "DE"}]},
    "labels": ["Seasonal"],
    "payout_revenue": [ENTRY],
}

IGNORED = "Only in answers; taken, so that an answer can be sent back, and ignored."


class CountryChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    country_code: StrictStr = Field(description="ISO 3166-1 alpha-2.", min_length=2, max_length=2)
    targeting_type: Literal["include"] = Field(default="include", description="There is no other.")
    match_type: Literal["exact"] = Field(default="exact", description="There is no other.")
    label: Any = Field(default=None, description=IGNORED)


class RulesetChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    countries: list[CountryChange] = Field(
        description="Where traffic may come from, all of them; empty: from everywhere.", max_length=300
    )


class PayoutRevenueChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ENTRY]})

    entry_name: StrictStr = Field(
        default=BASE,
        description="Base, or left out: the conversion itself. Else the name of the event that is paid for.",
        max_length=80,
    )
    payout_type: Literal["cpa", "cps", "cpc", "cpm", "cpa_cps"] = Field(
        description="cpa: per conversion. cps: a share of the sale. cpa_cps: both. cpc: per click. cpm: per 1000 "
        "impressions."
    )
    payout_amount: StrictFloat = Field(
        default=0.0, description="What affiliates are paid, in the offer's currency, with up to 4 decimals.", ge=0
    )
    payout_percentage: StrictFloat = Field(
        default=0.0, description="The affiliate's share of the sale in percent.", ge=0, le=100
    )
    revenue_type: Literal["rpa", "rps", "rpc", "rpm", "rpa_rps"] | None = Field(
        default=None,
        description="What the network gets, as for payout_type. Without it and its figures it stays what it was, at "
        "first nothing.",
    )
    revenue_amount: StrictFloat | None = Field(
        default=None, description="In the offer's currency, with up to 4 decimals.", ge=0
    )
    revenue_percentage: StrictFloat | None = Field(
        default=None, description="The network's share of the sale in percent.", ge=0, le=100
    )
    is_default: StrictBool | None = Field(
        default=None, description="May be left out; if sent, it is true for Base and false for an event."
    )
    network_offer_payout_revenue_id: Any = Field(default=None, description=IGNORED)

    @property
    def event_name(self) -> str:
        return "" if self.entry_name == BASE else self.entry_name


class OfferChange(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"offer_status": "paused", "labels": ["Seasonal"]}]}
    )

    name: StrictStr | None = Field(default=None, description="What it is called.", min_length=1, max_length=160)
    network_advertiser_id: StrictInt | None = Field(
        default=None, description="Number of the advertiser.", ge=1, le=LARGEST_ID
    )
    network_category_id: StrictInt | None = Field(
        default=None, description="Number of the category.", ge=1, le=LARGEST_ID
    )
    offer_status: Literal["active", "paused", "pending", "deleted"] | None = Field(
        default=None, description="Links to an offer that is not active lead to no destination."
    )
    visibility: Literal["public", "require_approval", "private"] | None = Field(
        default=None,
        description="public: every affiliate may run it. require_approval: those that applied and were approved. "
        "private: the same, and nobody else sees it.",
    )
    currency_id: StrictStr | None = Field(
        default=None, description="ISO 4217 code. Once there is the offer, it cannot be another one.", max_length=3
    )
    destination_url: StrictStr | None = Field(
        default=None,
        description="Where its links lead: http or https. {transaction_id} and other macros are filled by each click; "
        "none may stand in the host.",
        max_length=2000,
    )
    preview_url: StrictStr | None = Field(
        default=None, description="Where to look at what is promoted; may be empty.", max_length=2000
    )
    thumbnail_url: StrictStr | None = Field(default=None, description="A small picture; may be empty.", max_length=2000)
    html_description: StrictStr | None = Field(default=None, description="What it is about, as HTML; may be empty.")
    terms_and_conditions: StrictStr | None = Field(
        default=None, description="What affiliates agree to when they run it; may be empty."
    )
    date_live_until: StrictStr | None = Field(
        default=None, description="The last day, YYYY-MM-DD, in the network's time zone; empty: no end.", pattern=A_DAY
    )
    is_caps_enabled: StrictBool | None = Field(
        default=None,
        description="false: takes all its caps away. true: there has to be one. Left out: the caps say it themselves.",
    )
    daily_conversion_cap: StrictInt | None = Field(
        default=None, description="Conversions a day; 0: no cap.", ge=0, le=LARGEST_ID
    )
    daily_payout_cap: StrictFloat | None = Field(
        default=None, description="Payout a day, in the offer's currency; 0: no cap.", ge=0
    )
    daily_click_cap: StrictInt | None = Field(default=None, description="Clicks a day; 0: no cap.", ge=0, le=LARGEST_ID)
    weekly_conversion_cap: StrictInt | None = Field(
        default=None, description="Conversions a week; 0: no cap.", ge=0, le=LARGEST_ID
    )
    weekly_payout_cap: StrictFloat | None = Field(
        default=None, description="Payout a week, in the offer's currency; 0: no cap.", ge=0
    )
    weekly_click_cap: StrictInt | None = Field(
        default=None, description="Clicks a week; 0: no cap.", ge=0, le=LARGEST_ID
    )
    monthly_conversion_cap: StrictInt | None = Field(
        default=None, description="Conversions a month; 0: no cap.", ge=0, le=LARGEST_ID
    )
    monthly_payout_cap: StrictFloat | None = Field(
        default=None, description="Payout a month, in the offer's currency; 0: no cap.", ge=0
    )
    monthly_click_cap: StrictInt | None = Field(
        default=None, description="Clicks a month; 0: no cap.", ge=0, le=LARGEST_ID
    )
    global_conversion_cap: StrictInt | None = Field(
        default=None, description="Conversions in all; 0: no cap.", ge=0, le=LARGEST_ID
    )
    global_payout_cap: StrictFloat | None = Field(
        default=None, description="Payout in all, in the offer's currency; 0: no cap.", ge=0
    )
    global_click_cap: StrictInt | None = Field(
        default=None, description="Clicks in all; 0: no cap.", ge=0, le=LARGEST_ID
    )
    holding_period_days: StrictInt | None = Field(
        default=None, description="For how many days a conversion is on hold before it counts.", ge=0, le=365
    )
    is_must_approve_conversion: StrictBool | None = Field(
        default=None, description="Whether conversions wait for somebody to approve them."
    )
    click_lifespan_days: StrictInt | None = Field(
        default=None, description="For how many days after its click a conversion counts.", ge=1, le=365
    )
    redirect_network_offer_id: StrictInt | None = Field(
        default=None,
        description="Number of the offer that gets the traffic that this one cannot take; 0: none.",
        ge=0,
        le=LARGEST_ID,
    )
    labels: list[StrictStr] | None = Field(
        default=None,
        description=f"The network's own words for it, all of them: at most {MOST_LABELS} of up to {LONGEST_LABEL} "
        "characters. The same word in other letters is the same label.",
    )
    ruleset: RulesetChange | None = Field(default=None, description="Where traffic may come from.")
    payout_revenue: list[PayoutRevenueChange] | None = Field(
        default=None,
        description="What it pays and earns. Entries that are left out stay as they are.",
        max_length=MOST_PAYOUTS,
    )
    network_offer_id: StrictInt | None = Field(
        default=None, description="Not needed; if sent, it is the number in the path."
    )
    network_id: Any = Field(default=None, description=IGNORED)
    network_advertiser_name: Any = Field(default=None, description=IGNORED)
    network_category_name: Any = Field(default=None, description=IGNORED)
    tracking_url: Any = Field(default=None, description=IGNORED)
    impression_tracking_url: Any = Field(default=None, description=IGNORED)
    default_payout: Any = Field(default=None, description=IGNORED)
    payout_type: Any = Field(default=None, description=IGNORED)
    encoded_value: Any = Field(default=None, description=IGNORED)
    pending_applications: Any = Field(default=None, description=IGNORED)
    time_created: Any = Field(default=None, description=IGNORED)
    time_saved: Any = Field(default=None, description=IGNORED)
    relationship: Any = Field(
        default=None, description=f"{IGNORED} What is to change of it is sent as payout_revenue, labels and ruleset."
    )


class NewOffer(OfferChange):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SENT]})

    name: StrictStr = Field(description="What it is called.", min_length=1, max_length=160)
    network_advertiser_id: StrictInt = Field(description="Number of the advertiser.", ge=1, le=LARGEST_ID)
    network_category_id: StrictInt = Field(description="Number of the category.", ge=1, le=LARGEST_ID)
    destination_url: StrictStr = Field(
        description="Where its links lead: http or https. {transaction_id} and other macros are filled by each click; "
        "none may stand in the host.",
        min_length=1,
        max_length=2000,
    )
    payout_revenue: list[PayoutRevenueChange] = Field(
        description="What it pays and earns. One of them is Base.", min_length=1, max_length=MOST_PAYOUTS
    )


def launched(payload: NewOffer, *, by: Actor) -> Offer:
    """:raises HttpError: 400 that names every field that is wrong"""
    usual = model_to_dict(Offer(), fields=OfferSaid.Meta.fields)
    sent = ours(payload)
    wrong = {"network_offer_id": "A new offer is given its number."} if payload.network_offer_id else {}
    form = OfferSaid({**usual, **sent})
    wrong |= errors_of(form, ON_THE_WIRE) | wrong_with_caps(payload, {**usual, **sent})
    payouts, wrong_payouts = understood(payload.payout_revenue, {})
    if not wrong_payouts and "" not in payouts:
        wrong_payouts["payout_revenue"] = f"One of the entries has to be {BASE}, for the conversion itself."
    refuse(wrong | wrong_payouts)
    pays = payouts.pop("")
    offer = Offer.launch(pays=pays.terms, earns=pays.revenue, by=by, **form.said)
    for event_name, payout in payouts.items():
        offer.pay(payout.terms, earns=payout.revenue, event_name=event_name, by=by)
    return offer


def change(offer: Offer, payload: OfferChange, *, by: Actor) -> None:
    """Changes what is sent, and what is not the same already; ``offer`` is locked.

    :raises HttpError: 400 that names every field that is wrong
    """
    current = model_to_dict(offer, fields=OfferSaid.Meta.fields)
    sent = {name: value for name, value in ours(payload).items() if not is_as_answered(offer, name, value)}
    wrong: dict[str, str] = {}
    if payload.network_offer_id not in (None, offer.pk):
        wrong["network_offer_id"] = f"The path names {offer.pk}, and this cannot be changed."
    form = OfferSaid({**current, **sent}, instance=offer)
    wrong |= errors_of(form, ON_THE_WIRE) | wrong_with_caps(payload, {**current, **sent})
    paid = {payout.event_name: payout for payout in offer.payouts.all()}
    payouts, wrong_payouts = understood(payload.payout_revenue or [], paid)
    refuse(wrong | wrong_payouts)
    offer.change(by=by, **{name: form.said[name] for name in sent})
    for event_name, payout in payouts.items():
        before = paid.get(event_name)
        if before is None or (before.terms, before.revenue) != (payout.terms, payout.revenue):
            offer.pay(payout.terms, earns=payout.revenue, event_name=event_name, by=by)


def ours(payload: OfferChange) -> dict[str, Any]:
    """The fields that were sent, by our names, as a form takes them."""
    given = payload.model_dump(exclude_none=True, include=set(FIELDS))
    sent: dict[str, Any] = {FIELDS[name]: value for name, value in given.items()}
    for name, value in sent.items():
        if isinstance(value, float):
            # As it was written: a float's own digits would be too many.
            sent[name] = repr(value)
    if "currency" in sent:
        sent["currency"] = sent["currency"].upper()
    if "redirect_offer" in sent:
        sent["redirect_offer"] = sent["redirect_offer"] or None
    if payload.ruleset is not None:
        sent["countries"] = [country.country_code for country in payload.ruleset.countries]
    if payload.is_must_approve_conversion is not None:
        approvals = Offer.ConversionApproval
        sent["conversion_approval"] = approvals.MANUAL if payload.is_must_approve_conversion else approvals.AUTOMATIC
    if payload.is_caps_enabled is False:
        sent = dict.fromkeys(CAPS, 0) | sent
    return sent


def is_as_answered(offer: Offer, name: str, value: object) -> bool:
    """Whether it is what an answer says, though not as it is kept: a sum with all of its decimals, countries in order.
    Sent back it is no change."""
    if name in PAYOUT_CAPS and isinstance(value, str):
        return float(value) == money(getattr(offer, name), offer.currency)
    return name == "countries" and isinstance(value, list) and sorted(value) == sorted(offer.countries)


def wrong_with_caps(payload: OfferChange, wanted: dict[str, Any]) -> dict[str, str]:
    caps = [cap for cap in CAPS if float(wanted[cap])]
    if payload.is_caps_enabled is False and caps:
        return {"is_caps_enabled": f"It is false, and {caps[0]} is not 0."}
    if payload.is_caps_enabled and not caps:
        return {"is_caps_enabled": "It is true, and there is no cap."}
    return {}


def understood(
    entries: list[PayoutRevenueChange], paid: dict[str, OfferPayout]
) -> tuple[dict[str, PayoutSaid], dict[str, str]]:
    """The payouts by their event's name, and what is wrong with which field of them."""
    forms: dict[str, PayoutSaid] = {}
    wrong: dict[str, str] = {}
    for place, entry in enumerate(entries):
        at, name = f"payout_revenue.{place}", entry.event_name
        if name in forms:
            wrong[f"{at}.entry_name"] = f"There are two entries for {entry.entry_name}."
        if entry.is_default is not None and entry.is_default is bool(name):
            wrong[f"{at}.is_default"] = f"{BASE} is the default, and nothing else is."
        form = forms[name] = PayoutSaid({"event_name": name} | earned(paid.get(name)) | said_in(entry))
        wrong |= {f"{at}.{field}": sentence for field, sentence in errors_of(form, PAYOUT_ON_THE_WIRE).items()}
    return forms, wrong


def said_in(entry: PayoutRevenueChange) -> dict[str, Any]:
    said = entry.model_dump(exclude_none=True, include=set(PAYOUT_FIELDS))
    if said.keys() & set(REVENUE):
        # Whoever names one of the three means all of them: what is left out of them is nothing.
        said = {"revenue_amount": 0.0, "revenue_percentage": 0.0, "revenue_type": ""} | said
    return {PAYOUT_FIELDS[name]: repr(value) if isinstance(value, float) else value for name, value in said.items()}


def earned(payout: OfferPayout | None) -> dict[str, Any]:
    if payout is None:
        return {"revenue_type": RevenueType.RPA, "revenue_amount": 0, "revenue_percentage": 0}
    return {name: getattr(payout, name) for name in REVENUE}


def errors_of(form: BaseForm, named: dict[str, str]) -> dict[str, str]:
    """The first thing that is wrong with each field, by the field's name as it was sent."""
    return {named.get(field, field): str(sentences[0]) for field, sentences in form.errors.items()}


def refuse(wrong: dict[str, str]) -> None:
    """:raises HttpError: 400 that names every field that is wrong, unless none is"""
    if wrong:
        raise HttpError(400, " ".join(f"{field}: {sentence}" for field, sentence in wrong.items()))
