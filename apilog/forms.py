from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils import timezone

from apilog.models import LoggedCall, action_name, outcome_name
from apilog.search import Search, actions_between, actions_of
from keys.gate import Outcome
from keys.models import Key
from keys.networks import HostBitsSet, parse_network
from keys.secret import REDACTED, redact
from partners.models import Partner
from portal.web.client_ip import Network as IPNetwork

LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
STATUS = re.compile(r"([1-5])(?:xx|\d\d)", re.IGNORECASE)
STATUS_CHOICES = [
    ("", "Any"),
    *[("2xx", "2xx: answered"), ("4xx", "4xx: refused"), ("5xx", "5xx: our error")],
    *[(str(status), str(status)) for status in (200, 201, 204, 400, 401, 403, 404, 405, 413, 418, 429, 500, 503)],
]
MOST_SUGGESTED = 3
# Beyond these the arithmetic of moments overflows, and a histogram has bars without number; and there are no calls.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
OUT_OF_RANGE = "Enter a date of the years 2000 to 2099."


class MomentField(forms.DateTimeField):
    """A date and time, to the second, in the time zone that the log is shown in."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
    default_error_messages: ClassVar = {"invalid": "Enter a date and time such as 2026-03-01 14:30."}

    def __init__(self, *, label: str) -> None:
        bounds = [MinValueValidator(FIRST, OUT_OF_RANGE), MaxValueValidator(LAST, OUT_OF_RANGE)]
        super().__init__(label=label, required=False, validators=bounds)


class OwnCallFilter(forms.Form):
    """What a partner's calls can be filtered by. Its values are the page's URL, so that a view can be shared."""

    # One partner's calls are few enough to be shown for longer.
    default_range = "week"
    RANGES: ClassVar = [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]

    # Chosen by links, which drop "from" and "to"; the form carries it along.
    range = forms.ChoiceField(
        label="Range",
        required=False,
        widget=forms.HiddenInput,
        choices=RANGES,
    )
    key = forms.CharField(label="Key", required=False, max_length=80)
    action = forms.ChoiceField(label="Method", required=False)
    status = forms.ChoiceField(label="Status", required=False, choices=STATUS_CHOICES)
    outcome = forms.ChoiceField(
        label="Outcome",
        required=False,
        choices=[("", "Any"), *[(outcome.value, outcome_name(outcome)) for outcome in Outcome]],
    )
    ip = forms.CharField(label="IP address or network", required=False, max_length=60)
    request_id = forms.CharField(label="Request ID", required=False, max_length=60)

    field_order = ["range", "from", "to", "realm", "partner", "key", "action", "status", "outcome", "ip"]

    def __init__(self, data: QueryDict, *, now: datetime | None = None, owner: Partner | None = None) -> None:
        # Whoever pastes a key here must not find it again in every link of the page.
        given = {name: redact(str(value)) for name, value in data.dict().items() if value}
        if "from" in given or "to" in given:
            given.pop("range", None)
        super().__init__(given)
        self.now = now or timezone.now()
        self.owner = owner
        # `from` is no name in Python's own grammar.
        self.fields["from"] = MomentField(label="From")
        self.fields["to"] = MomentField(label="To")
        self.fields["action"].choices = self.action_choices()  # type: ignore[attr-defined]
        self.order_fields(self.field_order)

    def action_choices(self) -> list[tuple[str, str]]:
        start = self.now - LENGTHS["week"]
        # What others call is none of a partner's business, not even its name.
        owner = self.owner
        actions = set(actions_of(owner.pk, start) if owner is not None else actions_between(start, self.now))
        # One that nobody has called lately is a choice, too; one that no database can hold is none.
        if (chosen := str(self.data.get("action", ""))[:80]) and "\0" not in chosen:
            actions.add(chosen)
        return [("", "Any"), *[(action, action_name(action)) for action in sorted(actions)]]

    def clean_key(self) -> int | None:
        text: str = self.cleaned_data["key"].strip()
        if not text:
            return None
        if REDACTED in text:
            raise forms.ValidationError(
                "This is a whole key, and it now stands in your browser's history: have it replaced. "
                "Filter by its last four characters or its label instead."
            )
        keys = self.owner.keys.all() if self.owner else Key.objects.all()
        found = keys.filter(pk=int(text)) if text.isdecimal() and len(text) < 10 else keys.none()
        found = found or keys.filter(hint__endswith=text[-4:]) if len(text) >= 4 else found
        found = found or keys.filter(label__icontains=text)
        return one_of(found.order_by("-pk"), "key", text)

    def clean_ip(self) -> IPNetwork | None:
        text = self.cleaned_data["ip"].strip()
        if not text:
            return None
        try:
            return parse_network(text)
        except HostBitsSet as error:
            raise forms.ValidationError(f"{text} has bits set beyond its prefix. Did you mean {error.meant}?") from None
        except ValueError:
            raise forms.ValidationError(
                f"“{text}” is neither an address nor a network such as 203.0.113.0/24."
            ) from None

    def clean_request_id(self) -> UUID | None:
        text = self.cleaned_data["request_id"].strip()
        if not text:
            return None
        try:
            request_id = UUID(text)
        except ValueError:
            raise forms.ValidationError(
                "A request ID looks like 0192f0c1-2345-7abc-8def-0123456789ab: the X-Request-ID of an answer."
            ) from None
        if not self.own_calls().filter(pk=request_id).exists():
            raise forms.ValidationError("The log has no call with this request ID.")
        return request_id

    def own_calls(self) -> Any:
        return LoggedCall.objects.about_partner(self.owner.pk) if self.owner else LoggedCall.objects.all()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        start, end = cleaned.get("from"), cleaned.get("to")
        if start is not None and end is not None and end <= start:
            self.add_error("to", "“To” must be later than “From”.")
        return cleaned

    @property
    def chosen_range(self) -> str:
        """The preset that is in force; empty when "from" and "to" are."""
        if self.data.get("from") or self.data.get("to"):
            return ""
        return str(self.data.get("range", self.default_range))

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the range is chosen."""
        return any(self.data.get(name) for name in self.fields if name not in ("range", "from", "to"))

    def query(self, **changes: object) -> str:
        """The query string of this filter with some fields changed; None or "" drops one."""
        values = {name: self.data.get(name, "") for name in self.fields} | changes
        return urlencode({name: value for name, value in values.items() if value not in ("", None)})

    @property
    def range_of_time(self) -> tuple[datetime, datetime]:
        start, end = self.cleaned_data["from"], self.cleaned_data["to"]
        length = LENGTHS[self.cleaned_data["range"] or self.default_range]
        if start is None and end is None:
            # Calls that are answered while the page is made belong to it.
            return self.now - length, self.now + timedelta(minutes=1)
        end = end or self.now + timedelta(minutes=1)
        return (start or end - length), end

    def search(self) -> Search:
        """What the form asks for.

        :raises ValueError: unless the form is valid
        """
        if not self.is_valid():
            raise ValueError("the filter is not valid")
        chosen = self.cleaned_data
        start, end = self.range_of_time
        return Search(
            start=start,
            end=end,
            partner_id=self.owner.pk if self.owner else chosen.get("partner"),
            key_id=chosen["key"],
            realm=chosen.get("realm", ""),
            action=chosen["action"],
            statuses=statuses_of(chosen["status"]),
            outcome=chosen["outcome"],
            network=chosen["ip"],
        )


class CallFilter(OwnCallFilter):
    """What the whole log can be filtered by."""

    default_range = "day"

    realm = forms.ChoiceField(label="API", required=False, choices=[("", "Any"), *Key.Realm.choices])
    partner = forms.CharField(label="Partner", required=False, max_length=120)

    def clean_partner(self) -> int | None:
        text = self.cleaned_data["partner"].strip()
        if not text:
            return None
        if text.isdecimal() and len(text) < 10 and Partner.objects.filter(pk=int(text)).exists():
            return int(text)
        found = Partner.objects.filter(name__iexact=text) or Partner.objects.filter(name__icontains=text)
        return one_of(found.order_by("name", "pk"), "partner", text)


def one_of(found: Any, what: str, text: str) -> int:
    """:raises ValidationError: unless there is exactly one"""
    few = list(found[: MOST_SUGGESTED + 1])
    if len(few) == 1:
        return int(few[0].pk)
    if not few:
        raise forms.ValidationError(f"There is no {what} “{text}”.")
    names = ", ".join(f"{one} (number {one.pk})" for one in few[:MOST_SUGGESTED])
    raise forms.ValidationError(
        f"“{text}” fits more than one {what}: {names}{' …' if len(few) > MOST_SUGGESTED else ''}."
    )


def statuses_of(text: str) -> tuple[int, int] | None:
    """The lowest and highest status meant by ``401`` or ``4xx``; None for any."""
    if not text:
        return None
    if text.lower().endswith("xx"):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    return int(text), int(text)


class RetentionForm(forms.Form):
    log_retention_days = forms.IntegerField(
        label="Days to keep",
        min_value=1,
        max_value=3650,
        help_text="Older calls are dropped for good, a day at a time, within the hour.",
    )
