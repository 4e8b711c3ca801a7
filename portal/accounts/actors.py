"""Who does something: what every verb takes as ``by``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.accounts.models import User
    from portal.web.client_ip import Address


@dataclass(frozen=True)
class Actor:
    """A user, with the one who impersonates them; or something that is no user, such as a command or a key."""

    label: str
    user: User | None = None
    impersonator: User | None = None
    key_id: int | None = None
    ip: Address | None = None

    @classmethod
    def of(cls, user: User, *, impersonator: User | None = None, ip: Address | None = None) -> Actor:
        return cls(label=str(user), user=user, impersonator=impersonator, ip=ip)

    @classmethod
    def of_key(
        cls, *, hint: str, partner: object = None, key_id: int | None = None, ip: Address | None = None
    ) -> Actor:
        """A key that made an API call: "API key …9f2c (Acme Media)", or "Network key …9f2c" without a partner.

        ``hint`` is the key's: only its last four characters are told, because the rest of it says nothing.
        """
        name = f"…{hint[-4:]}"
        label = f"Network key {name}" if partner is None else f"API key {name} ({partner})"
        return cls(label=label, key_id=key_id, ip=ip)

    @classmethod
    def system(cls, label: str) -> Actor:
        """A part of the product, named as an operator would call it: ``manage.py issue_key``."""
        return cls(label=label)

    @classmethod
    def stranger(cls, *, ip: Address | None = None) -> Actor:
        """Whoever is at the sign-in page: nobody has proven to be anybody yet."""
        return cls(label="Not signed in", ip=ip)

    @property
    def full_label(self) -> str:
        """The label for ``x_by`` columns, which name both when one views as the other."""
        if self.impersonator is None:
            return self.label
        return f"{self.impersonator} as {self.label}"
