from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.forms import LabelForm
from keys.models import Key, NetworkKeyChanged
from partners.models import Partner
from portal.accounts.actors import Actor

BY = Actor.system("manage.py issue_key")


class Command(BaseCommand):
    help = "Issues a key and prints it, and nothing else, on standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--partner", type=int, metavar="ID", help="issue a key for this partner")
        whose.add_argument("--network", action="store_true", help="generate the network key")
        parser.add_argument("--label", default="", help="what the partner's key is for, up to 80 characters")
        parser.add_argument("--replace", action="store_true", help="with --network: let the live network key die")

    def handle(self, *, partner: int | None, network: bool, label: str, replace: bool, **options: Any) -> None:
        if partner is None:
            if label:
                raise CommandError("The network key has no label: leave --label out.")
            secret = generate(replace=replace)
        else:
            if replace:
                raise CommandError("--replace goes with --network: a partner's keys live side by side.")
            secret = issue(partner_id=partner, label=label)
        self.stdout.write(secret)


def issue(*, partner_id: int, label: str) -> str:
    form = LabelForm({"label": label})
    if not form.is_valid():
        raise CommandError(f"--label: {' '.join(map(str, form.errors['label']))}")
    partner = Partner.objects.filter(pk=partner_id).first()
    if partner is None:
        raise CommandError(f"There is no partner {partner_id}.")
    _, secret = Key.issue(partner=partner, label=form.cleaned_data["label"], by=BY)
    return secret


def generate(*, replace: bool) -> str:
    live = Key.objects.of_network().live().first()
    if live is not None and not replace:
        raise CommandError(
            f"The network key {live.hint} is live and would stop working at once. Add --replace if it may."
        )
    try:
        _, secret = Key.generate_network_key(by=BY, replacing=live)
    except NetworkKeyChanged:
        raise CommandError("Somebody else changed the network key a moment ago. Nothing was generated.") from None
    return secret
