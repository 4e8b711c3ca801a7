"""What the worker does about leaked keys: mails, and the list of those who may report them."""

from __future__ import annotations

import logging
from http.client import HTTPException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from keys.leaks import signing
from keys.leaks.models import Leak
from keys.models import Key
from portal.accounts.models import User
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, ISSUE_PARTNER_KEYS
from portal.network.models import Network

log = logging.getLogger(__name__)

PATIENTLY = RetryStrategy(max_attempts=8, exponential_wait=4)
PLACES_IN_A_MAIL = 10


@app.periodic(cron="*/15 * * * *")
@app.task(name="leaks.fetch_signing_keys", lock="leaks.fetch_signing_keys", queueing_lock="leaks.fetch_signing_keys")
def fetch_signing_keys(timestamp: int) -> None:
    """What could not be fetched stays as it was; the keys of the last time go on being good."""
    if not settings.LEAK_SIGNING_KEYS_URL:
        return
    try:
        listed = signing.fetch(settings.LEAK_SIGNING_KEYS_URL)
    except (OSError, HTTPException, ValueError) as reason:
        log.error("The public keys of %s could not be fetched: %s", settings.LEAK_SIGNING_KEYS_URL, reason)
        return
    signing.keep(listed)


@app.task(name="leaks.tell", retry=PATIENTLY)
def tell(key_id: int, leak_ids: list[int]) -> None:
    """Has a mail sent to each of those concerned: a job each, so that none is told twice because another's mail could
    not be sent."""
    for user in concerned(Key.objects.select_related("partner").get(pk=key_id)):
        send.defer(leak_ids=leak_ids, user_id=user.pk)


def concerned(key: Key) -> list[User]:
    """The partner's users and manager, and who may issue such keys."""
    right = CHANGE_SYSTEM_SETTINGS if key.partner is None else ISSUE_PARTNER_KEYS
    network = User.objects.active().of_the_network().select_related("role").order_by("pk")
    manager_id = key.partner.manager_id if key.partner else None
    told = [user for user in network if user.pk == manager_id or right.is_held_by(user)]
    return [*User.objects.active().filter(partner=key.partner).order_by("pk"), *told] if key.partner else told


@app.task(name="leaks.send", retry=PATIENTLY)
def send(leak_ids: list[int], user_id: int) -> None:
    """Mails where a key was found and what has become of it; to nobody who was deactivated meanwhile."""
    leaks = list(Leak.objects.filter(pk__in=leak_ids).select_related("key__partner").order_by("pk"))
    user = User.objects.active().filter(pk=user_id).first()
    if user is None or not leaks:
        return
    key = leaks[0].key
    if user.partner_id is not None:
        path = reverse("keys:account")
    else:
        path = reverse("keys:partner", args=[key.partner_id]) if key.partner_id else reverse("keys:network")
    network = Network.load()
    context = {
        "user": user,
        "key": key,
        "leaks": leaks[:PLACES_IN_A_MAIL],
        "more": max(0, len(leaks) - PLACES_IN_A_MAIL),
        "is_of_link": all(leak.is_of_link for leak in leaks),
        "is_own": user.partner_id is not None,
        "network": network,
        "link": settings.BASE_URL + path,
        "base_url": settings.BASE_URL,
    }
    subject, _, text = render_to_string("leaks/mail/leaked.txt", context).lstrip().partition("\n")
    message = EmailMultiAlternatives(
        subject=subject.strip(),
        body=text.lstrip(),
        to=[user.email],
        reply_to=[network.support_email] if network.support_email else None,
    )
    message.attach_alternative(render_to_string("leaks/mail/leaked.html", context), "text/html")
    message.send()
