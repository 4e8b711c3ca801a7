from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.text import Truncator
from django.utils.timezone import now

from partners.macros import BadTemplate, Template
from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.targets import refusal_of
from partners.postbacks.vocabulary import POSTBACK
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.notifications.kinds import Kind
from portal.notifications.models import Notification
from portal.web.edits import ChangedMeanwhile, changes_of
from portal.web.secret import mentions_a_key

if TYPE_CHECKING:
    from partners.postbacks.models.deliveries import AttemptQuerySet, Day, DeliveryQuerySet
    from portal.accounts.actors import Actor

MAXIMUM_PER_PARTNER = 200
LONGEST_URL = 2000
LONGEST_HTML = 5000
LONGEST_DELAY_MS = 300_000
# After so many failed attempts in a row nobody seems to be there any more.
FAILURES_TO_PAUSE = 10
RULED = ("partner", "offer", "delivery_method", "url", "html_code", "delay_ms")
HOLDS_A_KEY = "It holds an API key, for whoever is called and whoever reads it. Leave it out, and have it replaced."


class Unfit(Exception):
    """A field of a postback breaks a rule; ``sentence`` says which, to whoever filled it in."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(f"{field}: {sentence}")


class TooManyPostbacks(Exception):
    """The partner has as many postbacks as a partner may have."""

    sentence = (
        f"You have {MAXIMUM_PER_PARTNER} postbacks, which is the maximum. Remove one that is not needed any more: "
        "one for every offer, with {offer_id} in its URL, can replace many."
    )


class AlreadyPaused(Exception):
    """The postback was paused before, perhaps by someone else a moment ago."""


class AlreadyResumed(Exception):
    """The postback is active, perhaps because someone else resumed it a moment ago."""


class AlreadyRemoved(Exception):
    """The postback is gone, perhaps because someone else removed it a moment ago."""


class PostbackQuerySet(models.QuerySet["Postback"]):
    def kept(self) -> Self:
        """All but the removed ones, which are there for what they have sent alone."""
        return self.filter(removed_at=None)

    def active(self) -> Self:
        return self.kept().filter(paused_at=None)

    def with_status(self, *statuses: str) -> Self:
        wanted = set(statuses)
        if wanted == {Postback.Status.ACTIVE}:
            return self.filter(paused_at=None)
        return self.filter(paused_at__isnull=False) if wanted == {Postback.Status.INACTIVE} else self

    def for_offers(self, *offer_ids: int) -> Self:
        """Those of these offers, 0 standing for the ones of every offer."""
        every = Q(offer=None) if 0 in offer_ids else Q()
        return self.filter(Q(offer__in=[pk for pk in offer_ids if pk]) | every)

    def search(self, text: str) -> Self:
        """Postbacks with ``text`` in their URL, their HTML, or their offer's name."""
        return self.filter(Q(url__icontains=text) | Q(html_code__icontains=text) | Q(offer__name__icontains=text))

    def for_listing(self) -> Self:
        return self.kept().select_related("offer").order_by("pk")


class Postback(models.Model):
    """A URL of a partner's that is called when a conversion happens, or HTML that is shown then."""

    class DeliveryMethod(models.TextChoices):
        POSTBACK = "postback", "Postback URL"
        HTML = "html", "HTML code"

    class PixelType(models.TextChoices):
        CONVERSION = "conversion", "Conversion"
        POST_CONVERSION = "post_conversion", "Event"

    class Level(models.TextChoices):
        GLOBAL = "global", "Every offer"
        SPECIFIC = "specific", "One offer"

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        INACTIVE = "inactive", "Paused"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="postbacks")
    # None: every offer.
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, blank=True, related_name="postbacks")
    pixel_type = models.CharField("fires on", max_length=20, choices=PixelType.choices, default=PixelType.CONVERSION)
    delivery_method = models.CharField(
        "delivered as", max_length=20, choices=DeliveryMethod.choices, default=DeliveryMethod.POSTBACK
    )
    url = models.CharField("URL", max_length=LONGEST_URL, blank=True)
    html_code = models.TextField("HTML code", blank=True)
    delay_ms = models.PositiveIntegerField("delay in milliseconds", default=0)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=200, blank=True)
    # Failed attempts since the last one that succeeded.
    failures = models.PositiveIntegerField(default=0)
    removed_at = models.DateTimeField(null=True)
    removed_by = models.CharField(max_length=200, blank=True)

    # Managers, by their related names.
    deliveries: DeliveryQuerySet
    attempts: AttemptQuerySet
    days: models.QuerySet[Day]
    objects = PostbackQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(pixel_type__in=["conversion", "post_conversion"]), name="postback_type_is_known"
            ),
            models.CheckConstraint(
                condition=Q(delivery_method="postback") & ~Q(url="") | Q(delivery_method="html") & ~Q(html_code=""),
                name="postback_has_what_it_delivers",
            ),
            models.CheckConstraint(
                condition=Q(delay_ms__gte=0, delay_ms__lte=LONGEST_DELAY_MS), name="postback_delay_is_in_range"
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None, paused_by="") | (Q(paused_at__isnull=False) & ~Q(paused_by="")),
                name="postback_paused_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None, removed_by="") | (Q(removed_at__isnull=False) & ~Q(removed_by="")),
                name="postback_removed_at_and_by",
            ),
        ]
        indexes: ClassVar = [
            # Of a partner, those of one offer and those of every offer: what a conversion asks for.
            models.Index(fields=["partner", "offer", "id"], condition=Q(removed_at=None), name="postback_kept"),
        ]

    def __str__(self) -> str:
        return f"Postback {self.pk}"

    @property
    def level(self) -> Level:
        return self.Level.GLOBAL if self.offer_id is None else self.Level.SPECIFIC

    @property
    def status(self) -> Status:
        return self.Status.ACTIVE if self.paused_at is None else self.Status.INACTIVE

    @property
    def is_given_up(self) -> bool:
        """Paused because nothing of what was sent arrived, and not by anybody's wish."""
        return self.paused_at is not None and self.failures >= FAILURES_TO_PAUSE

    @property
    def is_html(self) -> bool:
        return self.delivery_method == self.DeliveryMethod.HTML

    @property
    def delay_in_words(self) -> str:
        """ "1.5 s", "5 min", or "0 ms"."""
        if self.delay_ms < 1000:
            return f"{self.delay_ms} ms"
        seconds = self.delay_ms / 1000
        return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:.3g} min"

    @property
    def marked(self) -> list[tuple[str, bool]]:
        """What is delivered, in pieces, each with whether it is a macro; of HTML its beginning."""
        return POSTBACK.marked(Truncator(self.html_code).chars(300) if self.is_html else self.url)

    @property
    def template(self) -> Template:
        """:raises BadTemplate: when the URL is empty, as it may be where HTML is delivered"""
        return Template.parse(self.url)

    @classmethod
    @transaction.atomic
    def add(cls, *, partner: Partner, by: Actor, is_active: bool = True, **fields: Any) -> Postback:
        """Sets up a postback, which works from the next conversion on, unless it is to begin paused.

        :raises Unfit: when a field breaks a rule
        :raises TooManyPostbacks: when the partner has the maximum already
        """
        postback = cls(partner=partner, **fields)
        postback.check_rules()
        # Two that are added at once are counted one after the other.
        Partner.objects.select_for_update().get(pk=partner.pk)
        if partner.postbacks.kept().count() >= MAXIMUM_PER_PARTNER:
            raise TooManyPostbacks
        if not is_active:
            postback.paused_at, postback.paused_by = now(), by.full_label
        postback.save()
        details = {"fires on": postback.pixel_type, "offer": str(postback.offer or "every offer")}
        Event.record(EventKind.POSTBACK_ADDED, by=by, subject=postback, partner=partner, details=details)
        return postback

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event; nothing is written when nothing changed.

        ``seen`` is the ``updated_at`` of what the one who changes was looking at.
        :raises Unfit: when the postback would break a rule
        :raises ChangedMeanwhile: when ``seen`` is not the current version
        :raises AlreadyRemoved: when it is gone
        """
        kept = Postback.objects.kept().select_related("offer", "partner").select_for_update(of=("self",))
        current = kept.filter(pk=self.pk).first()
        if current is None:
            raise AlreadyRemoved
        if seen is not None and fields and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        changed = changes_of(current, fields)
        for name in changed:
            setattr(current, name, fields[name])
        current.check_rules(of=tuple(changed))
        for name, value in fields.items():
            setattr(self, name, value)
        if not changed:
            return
        self.updated_at = current.updated_at = now()
        current.save(update_fields=[*changed, "updated_at"])
        Event.record(EventKind.POSTBACK_CHANGED, by=by, subject=self, partner=current.partner, details=changed)

    def check_rules(self, *, of: tuple[str, ...] = RULED) -> None:
        """Whether what is in the fields may be saved; ``of`` names those that have changed.

        A rule is asked of what changes alone, so that a postback whose offer was made private in the meantime can
        still have its URL mended.

        :raises Unfit: naming the first field that breaks a rule
        """
        changed = set(of)
        if "offer" in changed and self.offer is not None and not self._is_shown(self.offer):
            raise Unfit("offer", "There is no such offer.")
        if changed & {"url", "delivery_method"}:
            check_url(self.url, needed=not self.is_html)
        if changed & {"html_code", "delivery_method"}:
            check_html(self.html_code, needed=self.is_html)
        if "delay_ms" in changed and not 0 <= self.delay_ms <= LONGEST_DELAY_MS:
            raise Unfit("delay_ms", f"It is at most {LONGEST_DELAY_MS:,} milliseconds, and at least 0.")

    def _is_shown(self, offer: Offer) -> bool:
        return Offer.objects.visible_to_partner(self.partner).filter(pk=offer.pk).exists()

    @transaction.atomic
    def pause(self, *, by: Actor) -> None:
        """Nothing is sent from now on, until somebody resumes it.

        :raises AlreadyPaused: when it was paused before
        :raises AlreadyRemoved: when it is gone
        """
        active = Postback.objects.active()
        self._turn(active, EventKind.POSTBACK_PAUSED, AlreadyPaused, by=by, paused_at=now(), paused_by=by.full_label)
        self.deliveries.open().filter(is_under_way=False).update(due_at=None)

    @transaction.atomic
    def resume(self, *, by: Actor) -> None:
        """It works again from the next conversion on; what happened in between is not sent. What was queued before it
        was paused goes out now.

        :raises AlreadyResumed: when it is active
        :raises AlreadyRemoved: when it is gone
        """
        paused = Postback.objects.kept().filter(paused_at__isnull=False)
        self._turn(paused, EventKind.POSTBACK_RESUMED, AlreadyResumed, by=by, paused_at=None, paused_by="", failures=0)
        self.deliveries.open().filter(due_at=None).update(due_at=now())

    @transaction.atomic
    def remove(self, *, by: Actor) -> None:
        """Takes it out of every list for good. Its row stays, for what it has sent and for the History Logs.

        :raises AlreadyRemoved: when it is gone
        """
        kept = Postback.objects.kept()
        removal = {"removed_at": now(), "removed_by": by.full_label}
        self._turn(kept, EventKind.POSTBACK_REMOVED, AlreadyRemoved, by=by, details=self._last_words(), **removal)
        self.deliveries.open().filter(is_under_way=False).update(given_up_at=now(), due_at=None)

    def pause_after(self, problem: str, *, by: Actor) -> None:
        """Pauses it because attempt after attempt failed, the last one for ``problem``, and tells whom it concerns.

        :raises AlreadyPaused: when it was paused before
        :raises AlreadyRemoved: when it is gone
        """
        details = {"reason": f"{self.failures} attempts in a row failed", "the last one": problem}
        pausing = {"paused_at": now(), "paused_by": by.full_label}
        active = Postback.objects.active()
        self._turn(active, EventKind.POSTBACK_PAUSED, AlreadyPaused, by=by, details=details, **pausing)
        self.deliveries.open().filter(is_under_way=False).update(due_at=None)
        Notification.tell(
            Kind.POSTBACK_PAUSED,
            subject=f"{self} is paused",
            once=f"{self.pk} {self.paused_at:%Y-%m-%dT%H:%M:%S.%f}",
            partner=self.partner,
            numbers=(self.pk,),
            by=by,
            facts={"URL": self.url, "Failed in a row": str(self.failures), "The last one": problem},
        )

    def _turn(
        self,
        rows: PostbackQuerySet,
        kind: EventKind,
        otherwise: type[Exception],
        *,
        by: Actor,
        details: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Sets the fields if the postback is one of ``rows``. Of several at once the database lets one do it."""
        fields["updated_at"] = now()
        if not rows.filter(pk=self.pk).update(**fields):
            raise otherwise if Postback.objects.kept().filter(pk=self.pk).exists() else AlreadyRemoved
        for name, value in fields.items():
            setattr(self, name, value)
        Event.record(kind, by=by, subject=self, partner=self.partner, details=details)

    def _last_words(self) -> dict[str, Any]:
        sent = {"HTML code": self.html_code} if self.is_html else {"URL": self.url}
        return {"fires on": self.pixel_type, "offer": str(self.offer or "every offer"), **sent}


def check_url(url: str, *, needed: bool) -> None:
    """:raises Unfit: when the URL cannot be called, may not be, or has a macro that nothing fills"""
    if not url:
        if needed:
            raise Unfit("url", "Say which URL is called.")
        return
    if len(url) > LONGEST_URL:
        raise Unfit("url", f"It has {len(url):,} characters, and may have {LONGEST_URL:,}.")
    if mentions_a_key(url):
        raise Unfit("url", HOLDS_A_KEY)
    try:
        template = Template.parse(url)
        POSTBACK.demand(template)
    except BadTemplate as bad:
        raise Unfit("url", str(bad)) from None
    if not settings.POSTBACKS_ALLOW_PRIVATE and (refusal := refusal_of(template.host)):
        raise Unfit("url", refusal)


def check_html(html_code: str, *, needed: bool) -> None:
    """:raises Unfit: when there is none, or too much of it"""
    if needed and not html_code.strip():
        raise Unfit("html_code", "Say which HTML is shown.")
    if len(html_code) > LONGEST_HTML:
        raise Unfit("html_code", f"It has {len(html_code):,} characters, and may have {LONGEST_HTML:,}.")
    if mentions_a_key(html_code):
        raise Unfit("html_code", HOLDS_A_KEY)
