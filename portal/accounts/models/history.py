"""The History Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.accounts.events import EventKind
from portal.accounts.partners import partners
from portal.web.secret import redact

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class EventQuerySet(models.QuerySet["Event"]):
    def about_partner(self, partner_id: int) -> Self:
        return self.filter(partner_id=partner_id)

    def about(self, subject: models.Model) -> Self:
        return self.filter(subject_type=subject._meta.model_name or "", subject_id=subject.pk)

    def by(self, actor: Actor) -> Self:
        """What this person did, as themselves or viewing as others, or this key; of strangers nothing is known."""
        person = actor.impersonator or actor.user
        if person is not None:
            return self.filter(Q(impersonator_id=person.pk) | Q(impersonator_id=None, actor_id=person.pk))
        return self.none() if actor.key_id is None else self.filter(actor_key_id=actor.key_id)

    def concerning_somebody_called(self, text: str) -> Self:
        """What people with that name or e-mail address did, as themselves or viewing as others, and what was done to
        them; and what a command or a key with that in its label did."""
        people = list(get_user_model().objects.search(text).order_by("pk").values_list("pk", flat=True)[:200])
        by_them = Q(actor_id__in=people) | Q(impersonator_id__in=people)
        to_them = Q(subject_type="user", subject_id__in=people)
        return self.filter(by_them | to_them | Q(actor_id=None, actor_label__icontains=text))

    def about_partner_called(self, text: str) -> Self:
        """What happened to the partner with that number, or to those with that in their name."""
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return self.filter(partner_id=int(text))
        named = partners().filter(name__icontains=text).order_by("pk").values_list("pk", flat=True)
        return self.filter(partner_id__in=list(named[:200]))

    def for_listing(self) -> Self:
        return self.order_by("-pk")


class Event(models.Model):
    """One line of the History Logs: who did what to which key, role, setting or partner.

    It has no foreign keys (ADR 6): it names who and what as they were called then, and outlives all of them.
    """

    occurred_at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=200)
    # Four characters of it are in the label, and two keys may share those.
    actor_key_id = models.BigIntegerField(null=True)
    impersonator_id = models.BigIntegerField(null=True)
    impersonator_label = models.CharField(max_length=200, blank=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.BigIntegerField(null=True)
    subject_label = models.CharField(max_length=200)
    partner_id = models.BigIntegerField(null=True)
    partner_label = models.CharField(max_length=200, blank=True)
    ip = models.GenericIPAddressField(null=True)
    details = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(actor_id=None) | Q(actor_key_id=None), name="event_of_a_user_or_a_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["kind", "-id"], name="event_kind"),
            models.Index(fields=["actor_id", "-id"], name="event_actor"),
            models.Index(fields=["impersonator_id", "-id"], name="event_impersonator"),
            models.Index(fields=["subject_type", "subject_id", "-id"], name="event_subject"),
            models.Index(fields=["partner_id", "-id"], name="event_partner"),
            models.Index(fields=["occurred_at"], name="event_occurred_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind_label}: {self.subject_label}"

    @property
    def kind_label(self) -> str:
        return EventKind(self.kind).label if self.kind in EventKind.values else self.kind

    @property
    def is_about_the_actor(self) -> bool:
        """Whether somebody did something with their own account, such as signing in."""
        return self.subject_type == "user" and self.subject_id == self.actor_id

    @property
    def changes(self) -> list[str]:
        """The details in words: "status: onboarding → active" for what changed, "label: Office" for the rest."""
        return [f"{worded(field)}: {in_words(value)}" for field, value in self.details.items()]

    @classmethod
    def record(
        cls,
        kind: EventKind,
        *,
        by: Actor,
        subject: models.Model,
        partner: models.Model | None = None,
        details: dict[str, Any] | None = None,
    ) -> Event:
        """Leaves the event; the caller's transaction makes it stand or fall with the change.

        Somebody may have pasted a key where no key belongs, such as into notes; it goes no further.
        """
        return cls.objects.create(
            kind=kind,
            actor_id=by.user.pk if by.user else None,
            actor_label=by.label[:200],
            actor_key_id=by.key_id,
            impersonator_id=by.impersonator.pk if by.impersonator else None,
            impersonator_label=str(by.impersonator or ""),
            subject_type=subject._meta.model_name or "",
            # A composite key is no number: its label and the details say which row it was.
            subject_id=subject.pk if isinstance(subject.pk, int) else None,
            subject_label=redact(str(subject))[:200],
            partner_id=partner.pk if partner else None,
            partner_label=redact(str(partner or ""))[:200],
            ip=str(by.ip) if by.ip else None,
            details=without_keys(details or {}),
        )


def without_keys(value: Any) -> Any:
    """Texts, and all of them in lists and mappings, with what looks like a key replaced."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [without_keys(each) for each in value]
    return {name: without_keys(each) for name, each in value.items()} if isinstance(value, dict) else value


def in_words(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:
        return f"{in_words(value[0])} → {in_words(value[1])}"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value in (None, "") else str(value)


def worded(field: str) -> str:
    return field.replace("_", " ")
