"""What the worker does for accounts: mails, above all.

A job is given a user's id and nothing else: the link that opens the account is made here, in the worker's memory, and
is stored neither in the job nor anywhere else.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from procrastinate.contrib.django import app

from portal.accounts.mails import PATIENTLY, send_mail
from portal.accounts.models import User

LINK_LASTS_HOURS = settings.PASSWORD_RESET_TIMEOUT // 3600


@app.task(name="accounts.send_password_reset", retry=PATIENTLY)
def send_password_reset(user_id: int | None) -> None:
    """Mails a link to choose a new password; to nobody when there is no such user or they are deactivated."""
    user = User.objects.active().filter(pk=user_id or 0).first()
    if user is not None:
        send_mail("accounts/mail/password_reset", user, link=set_password_url(user), hours=LINK_LASTS_HOURS)


@app.task(name="accounts.send_invitation", retry=PATIENTLY)
def send_invitation(user_id: int) -> None:
    """Mails the link to choose the first password; to nobody who has one by now, or was deactivated."""
    user = User.objects.invited().select_related("partner").filter(pk=user_id).first()
    if user is not None:
        send_mail("accounts/mail/invitation", user, link=set_password_url(user), hours=LINK_LASTS_HOURS)


@app.task(name="accounts.send_password_changed", retry=PATIENTLY)
def send_password_changed(user_id: int) -> None:
    """Tells the owner of an account that its password is another one now."""
    user = User.objects.active().filter(pk=user_id).first()
    if user is not None:
        link = settings.BASE_URL + reverse("accounts:password_reset")
        send_mail("accounts/mail/password_changed", user, link=link)


def set_password_url(user: User) -> str:
    who = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("accounts:set_password", args=[who, default_token_generator.make_token(user)])
    return settings.BASE_URL + path


@app.periodic(cron="17 3 * * *")
@app.task(name="accounts.forget_sessions", queueing_lock="accounts.forget_sessions")
def forget_sessions(timestamp: int) -> None:
    """Removes the sessions that have run out; they open nothing any more, and would only pile up."""
    SessionStore.clear_expired()
