"""A partner's wish for a key, and what the network said to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import Truncator
from netfields import CidrAddressField

from keys import tellings
from keys.models.key import Key
from keys.networks import written
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network as TheNetwork
from portal.notifications.models import Notification
from portal.web.client_ip import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class RequestsTurnedOff(Exception):
    """The network issues keys by itself alone: System Settings → API."""


class CannotRequest(Exception):
    """The partner may not ask for a key now; the message says why, to the partner."""


class PartnerPaused(CannotRequest):
    def __init__(self) -> None:
        super().__init__("Your account is paused. Ask your manager to make it active again, then request a key.")


class HasLiveKey(CannotRequest):
    def __init__(self) -> None:
        super().__init__("You have a live key: it is on this page. For another one, ask your manager.")


class AlreadyRequested(CannotRequest):
    """A request of the partner is open, perhaps that of a colleague a moment ago; ``earlier`` is it."""

    def __init__(self, earlier: KeyRequest) -> None:
        self.earlier = earlier
        super().__init__(f"A key was requested already, by {earlier.requested_by}. One request waits at a time.")


class AlreadyDecided(Exception):
    """The request was approved, declined or withdrawn before; ``request`` is as it stands now."""

    def __init__(self, request: KeyRequest) -> None:
        self.request = request
        super().__init__(str(request))


class KeyRequestQuerySet(models.QuerySet["KeyRequest"]):
    def open(self) -> Self:
        return self.filter(is_open())

    def kept(self) -> Self:
        return self.filter(withdrawn_at=None)

    def newest_first(self) -> Self:
        return self.order_by("-pk")


def is_open() -> Q:
    return Q(approved_at=None, declined_at=None, withdrawn_at=None)


def told(moment: str, by: str) -> Q:
    """A time and who it was stand together or not at all."""
    return Q(**{moment: None, by: ""}) | (Q(**{f"{moment}__isnull": False}) & ~Q(**{by: ""}))


class KeyRequest(models.Model):
    """A partner asks for a key; whoever may issue one approves or declines. A partner has one open request."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="key_requests")
    purpose = models.CharField(max_length=300)
    contact_email = models.EmailField()
    # What the allowlist shall be; none: any address.
    networks = ArrayField(CidrAddressField(), default=list, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=200)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=200, blank=True)
    key = models.OneToOneField(Key, on_delete=models.PROTECT, null=True, related_name="request")
    declined_at = models.DateTimeField(null=True)
    declined_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)

    objects = KeyRequestQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["partner"], condition=is_open(), name="partner_has_one_open_key_request"),
            models.CheckConstraint(condition=~Q(requested_by=""), name="key_request_requested_at_and_by"),
            models.CheckConstraint(condition=told("approved_at", "approved_by"), name="key_request_approved_at_and_by"),
            models.CheckConstraint(condition=told("declined_at", "declined_by"), name="key_request_declined_at_and_by"),
            models.CheckConstraint(
                condition=told("withdrawn_at", "withdrawn_by"), name="key_request_withdrawn_at_and_by"
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None, declined_at=None)
                | Q(approved_at=None, withdrawn_at=None)
                | Q(declined_at=None, withdrawn_at=None),
                name="key_request_has_one_end",
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None, key=None) | Q(approved_at__isnull=False, key__isnull=False),
                name="key_request_has_its_key_once_approved",
            ),
            models.CheckConstraint(
                condition=told("declined_at", "reason"), name="key_request_has_a_reason_once_declined"
            ),
            models.CheckConstraint(condition=~Q(purpose="") & ~Q(contact_email=""), name="key_request_says_what_for"),
        ]

    def __str__(self) -> str:
        return Truncator(self.purpose).chars(80)

    @property
    def state(self) -> State:
        if self.approved_at is not None:
            return self.State.APPROVED
        if self.declined_at is not None:
            return self.State.DECLINED
        return self.State.WITHDRAWN if self.withdrawn_at is not None else self.State.WAITING

    @property
    def is_open(self) -> bool:
        return self.state is self.State.WAITING

    @property
    def ended_by(self) -> str:
        """Who approved, declined or withdrew it; "" while it waits."""
        return self.approved_by or self.declined_by or self.withdrawn_by

    @property
    def addresses(self) -> list[str]:
        """The networks asked for, as people write them."""
        return [written(network) for network in self.networks]

    @property
    def addresses_in_words(self) -> str:
        return ", ".join(self.addresses) or "none: any address may use the key"

    @classmethod
    def ensure_possible(cls, partner: Partner) -> None:
        """:raises RequestsTurnedOff, CannotRequest: when the partner may not ask for a key now"""
        if not TheNetwork.load().partners_may_request_keys:
            raise RequestsTurnedOff
        earlier = partner.key_requests.open().first()
        if earlier is not None:
            raise AlreadyRequested(earlier)
        if partner.keys.live().exists():
            raise HasLiveKey
        if partner.status == Partner.Status.PAUSED:
            raise PartnerPaused

    @classmethod
    @transaction.atomic
    def make(
        cls, *, partner: Partner, purpose: str, contact_email: str, networks: Sequence[Network], by: Actor
    ) -> KeyRequest:
        """Asks for a key, and tells the partner's manager. Of two users at once, the second is told.

        :raises RequestsTurnedOff: when the network's setting says so
        :raises CannotRequest: when the partner is paused, has a live key, or waits for an answer already
        """
        # Users of one partner, one after the other; rows that point to it may be written meanwhile.
        partner = Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
        cls.ensure_possible(partner)
        request = cls.objects.create(
            partner=partner,
            purpose=purpose,
            contact_email=contact_email,
            networks=list(networks),
            requested_by=by.full_label,
        )
        request._record(EventKind.KEY_REQUESTED, by=by, allowlist=", ".join(request.addresses), contact=contact_email)
        Notification.tell_all([tellings.of_request(request, by=by)])
        return request

    @transaction.atomic
    def approve(self, *, label: str, networks: Sequence[Network], by: Actor) -> tuple[Key, str]:
        """Issues the key with that label and allowlist, and tells the partner's users, without the key.

        The contact that the request names becomes the partner's technical contact, if it has none.
        :raises AlreadyDecided: when it was approved, declined or withdrawn before
        """
        current = KeyRequest.objects.select_for_update(of=("self",)).select_related("partner").get(pk=self.pk)
        if not current.is_open:
            raise AlreadyDecided(current)
        partner = current.partner
        if not partner.has_technical_contact:
            partner.change(by=by, technical_contact_email=current.contact_email)
        key, secret = Key.issue(partner=partner, label=label, answers_request=True, by=by)
        for network in networks:
            key.allow(network=network, label="", by=by)
        self._end(by=by, approved_at=timezone.now(), approved_by=by.full_label, key=key)
        given = [written(network) for network in networks]
        differs = {"allowlist": [", ".join(current.addresses), ", ".join(given)]} if given != current.addresses else {}
        self._record(EventKind.KEY_REQUEST_APPROVED, by=by, key=str(key), **differs)
        Notification.tell_all([tellings.of_decision(self, by=by)])
        return key, secret

    @transaction.atomic
    def decline(self, *, reason: str, by: Actor) -> None:
        """Says no, and why, to the partner's users; they may ask again.

        :raises AlreadyDecided: when it was approved, declined or withdrawn before
        """
        self._end(by=by, declined_at=timezone.now(), declined_by=by.full_label, reason=reason)
        self._record(EventKind.KEY_REQUEST_DECLINED, by=by, reason=reason)
        Notification.tell_all([tellings.of_decision(self, by=by)])

    @transaction.atomic
    def withdraw(self, *, by: Actor) -> None:
        """Takes it back, before anybody has decided.

        :raises AlreadyDecided: when it was approved, declined or withdrawn before
        """
        self._end(by=by, withdrawn_at=timezone.now(), withdrawn_by=by.full_label)
        self._record(EventKind.KEY_REQUEST_WITHDRAWN, by=by)

    def _end(self, *, by: Actor, **end: Any) -> None:
        if not KeyRequest.objects.open().filter(pk=self.pk).update(**end):
            raise AlreadyDecided(KeyRequest.objects.get(pk=self.pk))
        for field, value in end.items():
            setattr(self, field, value)

    def _record(self, kind: EventKind, *, by: Actor, **details: Any) -> None:
        Event.record(kind, by=by, subject=self, partner=self.partner, details=details)
