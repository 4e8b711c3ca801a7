"""What one user is told of, in the portal and by mail, and what they want to be told of."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import connection, models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.network.models import Network
from portal.notifications.kinds import AUDIENCES, Audience, Kind
from portal.web.secret import redact

if TYPE_CHECKING:
    from partners.models import Partner
    from portal.accounts.actors import Actor

# What the bell counts up to: a higher number would say no more, and cost more.
MOST_COUNTED = 100
LONGEST_SUBJECT = 200
LONGEST_FACT = 500

INSERT = """
INSERT INTO notifications_notification
    (user_id, kind, once, subject, facts, path, in_portal, by_mail, created_at)
SELECT user_id, kind, once, subject, facts::jsonb, path, in_portal, by_mail, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::boolean[])
    AS told (user_id, kind, once, subject, facts, path, in_portal, by_mail)
ON CONFLICT (user_id, kind, once) DO NOTHING
RETURNING id, by_mail
"""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Something that happened, for everybody whom AUDIENCES names.

    ``subject`` is one line; readers at the network have the partner's name before it. ``facts`` are what else there is
    to know, by their labels, in that order: texts and moments, never a key. ``once`` tells this from every other of its
    kind: nobody is told twice of what has the same. ``partner`` is whose it is; without one it is the network's.
    Without ``to_partner`` the network's people alone are told. ``numbers`` are those that the addresses of the kind's
    pages take, beside the partner's.
    """

    kind: Kind
    subject: str
    once: str
    by: Actor
    partner: Partner | None = None
    to_partner: bool = True
    numbers: tuple[int, ...] = ()
    facts: Mapping[str, str | datetime] = field(default_factory=dict)

    @property
    def audience(self) -> Audience:
        return AUDIENCES[self.kind]

    def recipients(self, people: Iterable[User]) -> list[User]:
        at_the_keyboard = self.by.impersonator or self.by.user
        return self.audience.recipients(
            [user for user in people if user != at_the_keyboard and (self.to_partner or user.is_network_user)],
            partner_id=self.partner.pk if self.partner else None,
            manager_id=self.partner.manager_id if self.partner else None,
        )

    def subject_for(self, user: User) -> str:
        subject = self.subject if self.partner is None or user.is_partner_user else f"{self.partner}: {self.subject}"
        # A line of a mail's head is one line.
        return redact(" ".join(subject.split()))[:LONGEST_SUBJECT]

    def path_for(self, user: User) -> str:
        if user.is_partner_user:
            return reverse(self.audience.own_page, args=self.numbers)
        if self.partner is None:
            return reverse(self.audience.network_page, args=self.numbers)
        return reverse(self.audience.partner_page, args=[self.partner.pk, *self.numbers])

    def facts_for(self, user: User, network: Network) -> list[list[str]]:
        """Pairs of label and text. What the network's people did is, to a partner, the network's doing.

        Somebody may have pasted a key where no key belongs, such as into a label or a URL; it goes no further.
        """
        facts = {label: value for label, value in self.facts.items() if value}
        if self.by.user is not None or self.by.key_id is not None:
            is_own = self.by.user is not None and self.by.user.is_partner_user and self.by.impersonator is None
            facts["By"] = str(network) if user.is_partner_user and not is_own else self.by.full_label
        return [[label, in_words(value, network)] for label, value in facts.items()]


@dataclass(frozen=True)
class Choice:
    """How somebody wants to be told of a kind."""

    in_portal: bool
    by_mail: bool

    def is_mailed(self, audience: Audience) -> bool:
        return self.by_mail or audience.is_always_mailed

    def goes_somewhere(self, audience: Audience) -> bool:
        return self.in_portal or self.is_mailed(audience)


# Of whoever has chosen nothing.
EVERYTHING = Choice(in_portal=True, by_mail=True)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def shown(self) -> Self:
        return self.filter(in_portal=True)

    def unread(self) -> Self:
        return self.shown().filter(read_at=None)

    def count_unread(self) -> int:
        """How many, up to MOST_COUNTED."""
        return self.unread().order_by()[:MOST_COUNTED].count()

    def read_through(self, newest_id: int) -> int:
        """Marks as read all up to that one, and says how many; what came after it nobody has seen yet."""
        return self.unread().filter(pk__lte=newest_id).update(read_at=timezone.now())

    def drop_before(self, moment: datetime, *, most: int) -> int:
        """Removes at most so many from before then that were read, or were mails alone, and says how many."""
        settled = self.filter(Q(read_at__isnull=False) | Q(in_portal=False), created_at__lt=moment)
        oldest = list(settled.order_by("created_at", "pk").values_list("pk", flat=True)[:most])
        return self.filter(pk__in=oldest).delete()[0]


class Notification(models.Model):
    """Something one user is told of. Told in the transaction of what happened, so it stands or falls with that."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications", db_index=False)
    kind = models.CharField(max_length=40)
    # What it is about, in the teller's terms: the same is told to nobody twice.
    once = models.CharField(max_length=120)
    subject = models.CharField(max_length=LONGEST_SUBJECT)
    # Pairs of label and text, in their order, which an object in a jsonb column would not keep.
    facts = models.JSONField()
    path = models.CharField(max_length=300)
    # What the user wanted at that time.
    in_portal = models.BooleanField()
    by_mail = models.BooleanField()
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind", "once"], name="notification_is_told_once"),
            models.CheckConstraint(condition=Q(in_portal=True) | Q(by_mail=True), name="notification_goes_somewhere"),
            models.CheckConstraint(condition=Q(in_portal=True) | Q(read_at=None), name="notification_read_was_shown"),
            models.CheckConstraint(condition=Q(by_mail=True) | Q(mailed_at=None), name="notification_mailed_was_due"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], condition=Q(in_portal=True), name="notification_shown"),
            models.Index(fields=["user", "-id"], condition=Q(in_portal=True, read_at=None), name="notification_unread"),
            models.Index(fields=["created_at", "id"], name="notification_created_at"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def audience(self) -> Audience | None:
        """None for a kind that only another release has."""
        return AUDIENCES.get(Kind(self.kind)) if self.kind in Kind.values else None

    @property
    def kind_label(self) -> str:
        return Kind(self.kind).label if self.kind in Kind.values else self.kind

    @property
    def action(self) -> str:
        return self.audience.action if self.audience else "Have a look"

    @property
    def advice(self) -> str:
        return self.audience.advice_for(self.user) if self.audience else ""

    @classmethod
    def tell(cls, kind: Kind, **telling: Any) -> None:
        """Tells everybody concerned; the fields are those of ``Telling``."""
        cls.tell_all([Telling(kind=kind, **telling)])

    @classmethod
    @transaction.atomic
    def tell_all(cls, tellings: Collection[Telling]) -> None:
        """Tells everybody concerned of all of it, in the same number of queries for any number of tellings.

        The mails are jobs, one for each, that begin once the caller's transaction is committed. Who was told of the
        same before is not told again.
        """
        if not tellings:
            return
        partners = {telling.partner.pk for telling in tellings if telling.partner}
        network, people = Network.load(), concerned(partners)
        choices = Preference.objects.choices_of(people)
        # In one order for all, or two who tell the same people could wait for each other.
        rows = sorted(
            row_of(telling, user, choice, network)
            for telling in tellings
            for user in telling.recipients(people)
            if (choice := choices.get((user.pk, telling.kind), EVERYTHING)).goes_somewhere(telling.audience)
        )
        if not rows:
            return
        with connection.cursor() as cursor:
            cursor.execute(INSERT, [timezone.now(), *map(list, zip(*rows, strict=True))])
            mails = [notification_id for notification_id, by_mail in cursor.fetchall() if by_mail]
        if mails:
            # Jobs are in a module above this one.
            job = app.configure_task("notifications.send_mail")
            job.batch_defer(*[{"notification_id": notification_id} for notification_id in mails])

    def read(self) -> None:
        """Marks it as read. Nothing changes when it was before."""
        Notification.objects.unread().filter(pk=self.pk).update(read_at=timezone.now())


class PreferenceQuerySet(models.QuerySet["Preference"]):
    def choices_of(self, people: Iterable[User]) -> dict[tuple[int, str], Choice]:
        """What those have chosen, by user and kind; whoever has chosen nothing is not in it."""
        chosen = self.filter(user__in=people).values_list("user_id", "kind", "in_portal", "by_mail")
        return {(user_id, kind): Choice(in_portal, by_mail) for user_id, kind, in_portal, by_mail in chosen}


class Preference(models.Model):
    """How a user wants to be told of one kind, once they have chosen."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notification_preferences", db_index=False)
    kind = models.CharField(max_length=40)
    in_portal = models.BooleanField()
    by_mail = models.BooleanField()

    objects = PreferenceQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind"], name="preference_is_once_per_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.kind}"

    @classmethod
    def kinds_for(cls, user: User) -> list[Kind]:
        """What the user can ever be told of."""
        return [kind for kind in Kind if AUDIENCES[kind].is_reached_by(user)]

    @classmethod
    @transaction.atomic
    def choose(cls, user: User, choices: Mapping[Kind, Choice], *, by: Actor) -> None:
        """Sets how the user is told of these kinds from now on. What did not change leaves nothing behind.

        A mail that is always sent stays chosen, whatever ``choices`` say.
        """
        # Two who choose at once, in two windows, would leave a mixture.
        User.objects.select_for_update().get(pk=user.pk)
        before = cls.objects.choices_of([user])
        changed: dict[str, list[str]] = {}
        for kind, wanted in choices.items():
            choice = Choice(wanted.in_portal, wanted.is_mailed(AUDIENCES[kind]))
            earlier = before.get((user.pk, kind), EVERYTHING)
            if choice != earlier:
                cls.objects.update_or_create(
                    user=user, kind=kind, defaults={"in_portal": choice.in_portal, "by_mail": choice.by_mail}
                )
                changed[kind.label] = [places(earlier), places(choice)]
        if changed:
            Event.record(
                EventKind.NOTIFICATIONS_CHOSEN, by=by, subject=user, partner=user.partner, details=dict(changed)
            )


def places(choice: Choice) -> str:
    chosen = [name for name, is_chosen in (("portal", choice.in_portal), ("mail", choice.by_mail)) if is_chosen]
    return " and ".join(chosen) or "nowhere"


def concerned(partners: Collection[int]) -> list[User]:
    """Everybody whom it may concern: the network's people, who are few, and those of the partners."""
    people = User.objects.active().filter(Q(partner=None) | Q(partner__in=partners))
    return list(people.select_related("role").order_by("pk"))


Row = tuple[int, str, str, str, str, str, bool, bool]


def row_of(telling: Telling, user: User, choice: Choice, network: Network) -> Row:
    """In the order of INSERT's columns."""
    facts = json.dumps(telling.facts_for(user, network))
    subject, path = telling.subject_for(user), telling.path_for(user)
    is_mailed = choice.is_mailed(telling.audience)
    return (user.pk, str(telling.kind), telling.once, subject, facts, path, choice.in_portal, is_mailed)


def in_words(value: str | datetime, network: Network) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(network.zone):%-d %b %Y, %H:%M %Z}"
    value = redact(value)
    return value if len(value) <= LONGEST_FACT else f"{value[: LONGEST_FACT - 1]}…"
