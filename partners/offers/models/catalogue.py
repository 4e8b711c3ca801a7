"""Whose offers there are, and what they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now

from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.secret import digest_of, hint_of, is_secret_of, new_secret

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

TOKEN_PREFIX = "lk_adv_"  # noqa: S105 -- what a token begins with opens nothing


class AlreadyReplaced(Exception):
    """The token that was to be replaced is no longer the advertiser's; somebody else was faster."""


class AdvertiserQuerySet(models.QuerySet["Advertiser"]):
    def holding(self, token: str) -> Advertiser | None:
        """The advertiser whose token this is; None when it is nobody's, or no longer anybody's."""
        if not is_secret_of(TOKEN_PREFIX, token):
            return None
        return self.filter(token_digest=digest_of(token)).first()


class Advertiser(models.Model):
    """The company whose product an offer promotes, and who pays the network for it.

    Its server proves with a token that a conversion it reports is its own report.
    """

    name = models.CharField(max_length=120)
    # Of the token as of a network key: enough to recognise it, not to use it.
    token_digest = models.BinaryField(max_length=32, null=True, unique=True)
    token_hint = models.CharField(max_length=12, blank=True, default="", db_default="")
    token_issued_at = models.DateTimeField(null=True)
    token_issued_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(default=now)

    objects = AdvertiserQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name"], name="advertiser_name_is_unique"),
            models.CheckConstraint(
                condition=Q(token_issued_at=None, token_issued_by="")
                | (Q(token_issued_at__isnull=False) & ~Q(token_issued_by="")),
                name="advertiser_token_issued_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(token_digest=None, token_hint="", token_issued_at=None)
                | (Q(token_digest__isnull=False, token_issued_at__isnull=False) & ~Q(token_hint="")),
                name="advertiser_token_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    @transaction.atomic
    def sign_up(cls, *, name: str, by: Actor) -> Advertiser:
        advertiser = cls.objects.create(name=name)
        Event.record(EventKind.ADVERTISER_SIGNED_UP, by=by, subject=advertiser)
        return advertiser

    @classmethod
    @transaction.atomic
    def called(cls, name: str, *, by: Actor) -> Advertiser:
        """The advertiser of that name, in any case; signed up now when there is none."""
        if found := cls.objects.filter(name__iexact=name).first():
            return found
        advertiser, is_new = cls.objects.get_or_create(name=name)
        if is_new:
            Event.record(EventKind.ADVERTISER_SIGNED_UP, by=by, subject=advertiser)
        return advertiser

    @transaction.atomic
    def issue_token(self, *, by: Actor, replacing: str | None = None) -> str:
        """The new token, this once; the one before it, if there was one, opens nothing from now on.

        ``replacing`` is the hint of the one that whoever asks has seen; empty, when they saw none.
        :raises AlreadyReplaced: when that is no longer the current one
        """
        current = Advertiser.objects.select_for_update().get(pk=self.pk)
        if replacing is not None and replacing != current.token_hint:
            raise AlreadyReplaced
        token = new_secret(TOKEN_PREFIX)
        self.token_digest, self.token_hint = digest_of(token), hint_of(token)
        self.token_issued_at, self.token_issued_by = now(), by.full_label
        self.save(update_fields=["token_digest", "token_hint", "token_issued_at", "token_issued_by"])
        Event.record(EventKind.ADVERTISER_TOKEN_ISSUED, by=by, subject=self, details={"token": self.token_hint})
        return token


class Category(models.Model):
    """What an offer is about, such as Travel."""

    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "pk")
        verbose_name_plural = "categories"
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="category_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    @transaction.atomic
    def add(cls, *, name: str, by: Actor) -> Category:
        category = cls.objects.create(name=name)
        Event.record(EventKind.CATEGORY_ADDED, by=by, subject=category)
        return category

    @classmethod
    @transaction.atomic
    def called(cls, name: str, *, by: Actor) -> Category:
        """The category of that name, in any case; added now when there is none."""
        if found := cls.objects.filter(name__iexact=name).first():
            return found
        category, is_new = cls.objects.get_or_create(name=name)
        if is_new:
            Event.record(EventKind.CATEGORY_ADDED, by=by, subject=category)
        return category
