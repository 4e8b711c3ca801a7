"""How a mail is written and sent: the one way for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from procrastinate import RetryStrategy

from portal.accounts.network import the_network

if TYPE_CHECKING:
    from portal.accounts.models import User

# A mail server that is away for an evening costs nobody their mail.
PATIENTLY = RetryStrategy(max_attempts=8, exponential_wait=4)


def send_mail(template: str, user: User, *, link: str, **context: Any) -> None:
    """Sends ``{template}.txt``, whose first line is the subject, with its twin ``{template}.html``, to the user.

    Both extend ``mail/layout``; whoever answers the mail writes to the network's support. ``link`` is where the mail
    leads to, with the host.
    """
    network = the_network()
    context |= {"user": user, "network": network, "link": link, "base_url": settings.BASE_URL}
    subject, _, text = render_to_string(f"{template}.txt", context).lstrip().partition("\n")
    message = EmailMultiAlternatives(
        subject=subject.strip(),
        body=text.lstrip(),
        to=[user.email],
        reply_to=[network.support_email] if network.support_email else None,
        # So that nobody's absence is reported to the support.
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    message.send()
