"""The text that tells a partner where their new key is. The key itself is never in it."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from keys.models import Key
from partners.models import Partner

TEXT = """\
Hello{name},

your API key “{label}” for {partner} is ready. It ends in {ending}.

It is not in this message, because messages are forwarded and kept. To get it:

1. Sign in and open My Account → API: {account_url}
2. Press Copy beside the key and paste it straight into your secret manager or your server's configuration.
3. How to use it: {guide_url}

Please keep it out of e-mail, chat, code and URLs. If you think somebody has seen it, tell us and we replace it.

{sender}
"""


def invitation(key: Key, *, partner: Partner) -> str:
    first_name = partner.technical_contact_name.partition(" ")[0]
    return TEXT.format(
        name=f" {first_name}" if first_name else "",
        label=key.label,
        partner=partner,
        ending=key.hint[-4:],
        account_url=settings.BASE_URL + reverse("keys:account"),
        guide_url=settings.BASE_URL + reverse("guide"),
        sender=partner.manager or "Your affiliate manager",
    )
