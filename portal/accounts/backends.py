from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from portal.accounts.models import User


class EmailBackend(BaseBackend):
    """Signs in by e-mail address in any case, and a password. Deactivated users cannot."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        email, password = credentials.get("email"), credentials.get("password")
        if not email or password is None:
            return None
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            # As slow as a wrong password, so that the time does not tell who has an account.
            User().set_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        """The user of a session, with what every page asks of them; None ends the session."""
        return User.objects.active().select_related("role", "partner").filter(pk=user_id).first()
