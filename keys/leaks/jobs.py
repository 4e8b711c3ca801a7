"""What the worker does about leaked keys: it keeps the list of those who may report them."""

from __future__ import annotations

import logging
from http.client import HTTPException

from django.conf import settings
from procrastinate.contrib.django import app

from keys.leaks import signing

log = logging.getLogger(__name__)


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
