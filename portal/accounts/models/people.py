"""Users and the roles that say what they may do."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Count, Q
from django.db.models.functions import Lower
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.levels import (
    AREAS,
    AccountsHistoryLogs,
    Level,
    Partners,
    Security,
    SystemSettings,
)
from portal.accounts.models.history import Event


class AboveOwnLevels(Exception):
    """The change would give, or touch, more than the one who makes it holds."""


class OwnRole(Exception):
    """Nobody changes their own role, nor the levels of the role they have."""


class AlreadyDeactivated(Exception):
    """The user was deactivated before, perhaps by someone else a moment ago."""


class NoLongerActive(Exception):
    """The one who asks was deactivated a moment ago."""


class RoleQuerySet(models.QuerySet["Role"]):
    def for_listing(self) -> Self:
        """With how many have the role, as ``people``."""
        return self.annotate(people=Count("users")).order_by("name", "pk")


class Role(models.Model):
    """A named set of levels, one per area."""

    # Set by for_listing().
    people: int

    name = models.CharField(max_length=60, unique=True)
    security = models.CharField(max_length=20, choices=Security.choices(), default="none")
    accounts_history_logs = models.CharField(max_length=20, choices=AccountsHistoryLogs.choices(), default="none")
    system_settings = models.CharField(max_length=20, choices=SystemSettings.choices(), default="none")
    partners = models.CharField(max_length=20, choices=Partners.choices(), default="none")

    objects = RoleQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(**{f"{area}__in": [level.value for level in levels]}),
                name=f"role_{area}_is_a_level",
            )
            for levels, (area, _) in AREAS.items()
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def levels(self) -> list[Level]:
        return [levels(getattr(self, area)) for levels, (area, _) in AREAS.items()]

    @classmethod
    @transaction.atomic
    def create(cls, *, name: str, by: Actor, **levels: str) -> Role:
        """:raises AboveOwnLevels: when a level stands above the actor's"""
        by = as_of_now(by)
        role = cls(name=name, **levels)
        role._refuse_levels_above(by)
        role.save(force_insert=True)
        Event.record(EventKind.ROLE_CREATED, by=by, subject=role, details=levels)
        return role

    @transaction.atomic
    def change(self, *, by: Actor, name: str | None = None, **levels: str) -> None:
        """Renames the role or sets its levels, for all who have it, from their next request on.

        :raises OwnRole: when the actor has this role
        :raises AboveOwnLevels: when the role stands, or would stand, above the actor's levels
        """
        by = as_of_now(by)
        current = Role.objects.select_for_update().get(pk=self.pk)
        for person in filter(None, (by.user, by.impersonator)):
            if person.role_id == self.pk:
                raise OwnRole
        current._refuse_levels_above(by)
        before = {"name": current.name} | {area: getattr(current, area) for area in levels}
        for area, value in levels.items():
            setattr(self, area, value)
        self.name = name or current.name
        self._refuse_levels_above(by)
        self.save(update_fields=["name", *levels])
        after = {"name": self.name, **levels}
        changed = {field: [before[field], after[field]] for field in after if before[field] != after[field]}
        if changed:
            Event.record(EventKind.ROLE_CHANGED, by=by, subject=self, details=changed)

    def _refuse_levels_above(self, by: Actor) -> None:
        for person in filter(None, (by.user, by.impersonator)):
            if not all(person.has_level(level) for level in self.levels):
                raise AboveOwnLevels


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def of_the_network(self) -> Self:
        return self.filter(partner=None)

    def of_partners(self) -> Self:
        return self.exclude(partner=None)

    def who_manage_partners(self) -> Self:
        return self.filter(managed_partners__isnull=False).distinct().order_by("name", "pk")

    def visible_to(self, user: User) -> Self:
        """Network users see everybody; a partner's user sees those of the same partner."""
        return self if user.is_network_user else self.filter(partner=user.partner_id)

    def invited(self) -> Self:
        """Those who have not chosen a password yet."""
        return self.active().filter(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def joined(self) -> Self:
        """Those who have chosen a password and can sign in with it."""
        return self.active().exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def deactivated(self) -> Self:
        return self.filter(is_active=False)

    def search(self, text: str) -> Self:
        return self.filter(Q(name__icontains=text) | Q(email__icontains=text))

    def for_listing(self) -> Self:
        return self.select_related("role", "partner").order_by(Lower("name"), "pk")


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    @transaction.atomic
    def create_superuser(self, *, email: str, name: str, password: str | None = None) -> User:
        """Whoever is first in a new network, for ``manage.py createsuperuser``; everybody else is invited.

        :raises ValidationError: when the e-mail address has an account already
        """
        if self.filter(email__iexact=email).exists():
            raise ValidationError(f"There is an account with the e-mail address {email} already.")
        by = Actor.system("manage.py createsuperuser")
        user = User.invite(email=email, name=name, is_superuser=True, by=by)
        if password is not None:
            user.choose_password(password, by=by)
        return user


class User(AbstractBaseUser):
    """Someone who can sign in: a network user (a role, or Super User) or the user of one partner."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, null=True, blank=True, related_name="users")
    partner = models.ForeignKey(
        "partners.Partner",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
    )
    is_superuser = models.BooleanField("Super User", default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Part of the session's hash: a new value ends every session of the user.
    sessions_id = models.UUIDField(default=uuid.uuid4)

    objects = UserManager.from_queryset(UserQuerySet)()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="user_email_is_unique_in_any_case"),
            models.CheckConstraint(
                condition=Q(partner=None) | Q(role=None, is_superuser=False),
                name="user_of_a_partner_has_no_role",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_network_user(self) -> bool:
        return self.partner_id is None

    @property
    def is_partner_user(self) -> bool:
        return self.partner_id is not None

    @property
    def standing(self) -> str:
        """The role in words, for lists and menus."""
        if self.is_superuser:
            return "Super User"
        if self.role is not None:
            return self.role.name
        return "Partner user" if self.is_partner_user else "No role"

    @property
    def status(self) -> str:
        if not self.is_active:
            return "deactivated"
        return "active" if self.has_usable_password() else "invited"

    def has_level(self, level: Level) -> bool:
        if self.is_superuser:
            return True
        if self.role is None:
            return level.height == 0
        return type(level)(getattr(self.role, level.area)).height >= level.height

    def stands_above(self, other: User) -> bool:
        """Whether this user holds everything ``other`` holds and more; every network user stands above partners."""
        if self.is_partner_user or other.is_superuser:
            return False
        if other.is_partner_user or self.is_superuser:
            return True
        levels = [kind(getattr(other.role, area, "none")) for kind, (area, _) in AREAS.items()]
        own = [kind(getattr(self.role, area, "none")) for kind, (area, _) in AREAS.items()]
        return all(map(self.has_level, levels)) and levels != own

    def get_session_auth_hash(self) -> str:
        return f"{super().get_session_auth_hash()}{self.sessions_id.hex}"

    def get_session_auth_fallback_hash(self) -> Any:
        for fallback in super().get_session_auth_fallback_hash():
            yield f"{fallback}{self.sessions_id.hex}"

    @classmethod
    @transaction.atomic
    def invite(
        cls,
        *,
        email: str,
        name: str,
        by: Actor,
        role: Role | None = None,
        partner: Any = None,
        is_superuser: bool = False,
    ) -> User:
        """Creates the user without a password; the mail with the link to choose one is the caller's to queue.

        :raises AboveOwnLevels: when the role stands above the actor's levels
        :raises django.db.IntegrityError: when the e-mail address has an account already
        """
        by = as_of_now(by)
        refuse_to_lift(by, role=role, is_superuser=is_superuser)
        user = cls(
            email=cls.objects.normalize_email(email),
            name=name,
            role=role,
            partner=partner,
            is_superuser=is_superuser,
        )
        user.set_unusable_password()
        user.save(force_insert=True)
        Event.record(
            EventKind.USER_INVITED,
            by=by,
            subject=user,
            partner=partner,
            details={"role": user.standing, "email": email},
        )
        return user

    @transaction.atomic
    def change_role(self, *, role: Role | None, is_superuser: bool = False, by: Actor) -> None:
        """:raises OwnRole: when the actor is this user
        :raises AboveOwnLevels: when the user stands, or would stand, above the actor's levels
        """
        if self in (by.user, by.impersonator):
            raise OwnRole
        by = as_of_now(by, self)
        current = User.objects.select_related("role").get(pk=self.pk)
        refuse_to_lift(by, role=current.role, is_superuser=current.is_superuser)
        refuse_to_lift(by, role=role, is_superuser=is_superuser)
        before = current.standing
        self.role, self.is_superuser = role, is_superuser
        self.save(update_fields=["role", "is_superuser"])
        if self.standing != before:
            Event.record(
                EventKind.USER_ROLE_CHANGED,
                by=by,
                subject=self,
                details={"role": [before, self.standing]},
            )

    @transaction.atomic
    def deactivate(self, *, by: Actor) -> None:
        """Ends every session of the user at once and lets them sign in no more.

        :raises OwnRole: when the actor is this user
        :raises AboveOwnLevels: when the user stands above the actor's levels
        :raises AlreadyDeactivated: when someone was faster
        """
        if self in (by.user, by.impersonator):
            raise OwnRole
        by = as_of_now(by, self)
        current = User.objects.select_related("role").get(pk=self.pk)
        refuse_to_lift(by, role=current.role, is_superuser=current.is_superuser)
        sessions_id = uuid.uuid4()
        if not User.objects.active().filter(pk=self.pk).update(is_active=False, sessions_id=sessions_id):
            raise AlreadyDeactivated
        self.is_active, self.sessions_id = False, sessions_id
        Event.record(EventKind.USER_DEACTIVATED, by=by, subject=self, partner=self.partner)

    @transaction.atomic
    def reactivate(self, *, by: Actor) -> None:
        """Lets a deactivated user sign in again, with the password they had.

        :raises AboveOwnLevels: when the user stands above the actor's levels
        """
        by = as_of_now(by, self)
        current = User.objects.select_related("role").get(pk=self.pk)
        refuse_to_lift(by, role=current.role, is_superuser=current.is_superuser)
        if User.objects.filter(pk=self.pk, is_active=False).update(is_active=True):
            Event.record(EventKind.USER_REACTIVATED, by=by, subject=self, partner=self.partner)
        self.is_active = True

    @transaction.atomic
    def choose_password(self, password: str, *, by: Actor, kind: EventKind = EventKind.PASSWORD_CHANGED) -> None:
        """Sets the password, which ends every other session of the user."""
        self.set_password(password)
        self.save(update_fields=["password"])
        Event.record(kind, by=by, subject=self, partner=self.partner)


def as_of_now(by: Actor, *others: User) -> Actor:
    """The actor as the database knows them in this moment, locked with ``others`` until the transaction ends.

    Without it two Super Users who deactivate (or demote) each other at once would both succeed, and leave nobody.
    :raises NoLongerActive: when the actor was deactivated since their request began
    """
    people = filter(None, (by.user, by.impersonator, *others))
    # One order for everybody, or two who act on each other would wait for each other.
    locked = (
        User.objects.select_for_update(of=("self",))
        .select_related("role")
        .order_by("pk")
        .filter(pk__in={person.pk for person in people})
    )
    now = {person.pk: person for person in locked}
    user = now[by.user.pk] if by.user else None
    impersonator = now[by.impersonator.pk] if by.impersonator else None
    if not all(person.is_active for person in (user, impersonator) if person):
        raise NoLongerActive
    return replace(by, user=user, impersonator=impersonator)


def refuse_to_lift(by: Actor, *, role: Role | None, is_superuser: bool) -> None:
    """:raises AboveOwnLevels: when the actor gives, or touches, a standing above their own"""
    for person in filter(None, (by.user, by.impersonator)):
        if is_superuser and not person.is_superuser:
            raise AboveOwnLevels
        if role is not None and not all(map(person.has_level, role.levels)):
            raise AboveOwnLevels
