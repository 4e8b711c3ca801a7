"""What the worker does for accounts: mails, above all.

A job is given a user's id and nothing else: the link that opens the account is made here, in the worker's memory, and
is stored neither in the job nor anywhere else.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from portal.accounts.models import User
from portal.accounts.network import the_network

# A mail server that is away for an evening costs nobody their mail.
PATIENTLY = RetryStrategy(max_attempts=8, exponential_wait=4)


@app.task(name="accounts.send_password_reset", retry=PATIENTLY)
def send_password_reset(user_id: int | None) -> None:
    """Mails a link to choose a new password; to nobody when there is no such user or they are deactivated."""
    user = User.objects.active().filter(pk=user_id or 0).first()
    if user is not None:
        send("password_reset", user, link=set_password_url(user))


@app.task(name="accounts.send_invitation", retry=PATIENTLY)
def send_invitation(user_id: int) -> None:
    """Mails the link to choose the first password; to nobody who has one by now, or was deactivated."""
    user = User.objects.invited().select_related("partner").filter(pk=user_id).first()
    if user is not None:
        send("invitation", user, link=set_password_url(user))


@app.task(name="accounts.send_password_changed", retry=PATIENTLY)
def send_password_changed(user_id: int) -> None:
    """Tells the owner of an account that its password is another one now."""
    user = User.objects.active().filter(pk=user_id).first()
    if user is not None:
        send("password_changed", user, link=settings.BASE_URL + reverse("accounts:password_reset"))


def set_password_url(user: User) -> str:
    who = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("accounts:set_password", args=[who, default_token_generator.make_token(user)])
    return settings.BASE_URL + path


def send(mail: str, user: User, *, link: str) -> None:
    """Sends ``templates/accounts/mail/{mail}.txt``, whose first line is the subject, with its HTML twin."""
    network = the_network()
    context = {
        "user": user,
        "network": network,
        "link": link,
        "base_url": settings.BASE_URL,
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    subject, _, text = render_to_string(f"accounts/mail/{mail}.txt", context).lstrip().partition("\n")
    message = EmailMultiAlternatives(
        subject=subject.strip(),
        body=text.lstrip(),
        to=[user.email],
        reply_to=[network.support_email] if network.support_email else None,
    )
    message.attach_alternative(render_to_string(f"accounts/mail/{mail}.html", context), "text/html")
    message.send()


@app.periodic(cron="17 3 * * *")
@app.task(name="accounts.forget_sessions", queueing_lock="accounts.forget_sessions")
def forget_sessions(timestamp: int) -> None:
    """Removes the sessions that have run out; they open nothing any more, and would only pile up."""
    SessionStore.clear_expired()
