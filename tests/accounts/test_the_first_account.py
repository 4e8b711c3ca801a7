from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.accounts.models import Event, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

SONIA = {"email": "Sonia@latchkey.example", "name": "Sonia Keller"}


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)


def test_the_first_super_user_comes_from_the_command_line_and_can_sign_in(password: None) -> None:
    call_command("createsuperuser", interactive=False, verbosity=0, **SONIA)

    response = Client().post("/sign-in/", {"email": "sonia@latchkey.example", "password": PASSWORD})
    assert response.status_code in (302, 303)
    assert User.objects.get().is_superuser
    assert [event.actor_label for event in Event.objects.order_by("pk")[:2]] == ["manage.py createsuperuser"] * 2


def test_an_address_in_use_is_refused_in_a_sentence(password: None, sonia: User) -> None:
    with pytest.raises(CommandError, match="There is an account with the e-mail address Sonia@latchkey"):
        call_command("createsuperuser", interactive=False, verbosity=0, **SONIA)


def test_without_a_password_the_account_waits_for_one(db: None) -> None:
    call_command("createsuperuser", interactive=False, verbosity=0, **SONIA)

    assert User.objects.get().status == "invited"
