"""What people are told of, and who is told of it: this table is the only place that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models

from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, ISSUE_PARTNER_KEYS, VIEW_PARTNERS

if TYPE_CHECKING:
    from portal.accounts.models import User


class Kind(models.TextChoices):
    KEY_REQUESTED = "key_request.made", "Key requested"
    KEY_REQUEST_DECIDED = "key_request.decided", "Key request decided"
    KEY_ISSUED = "key.issued", "Key issued"
    KEY_REVEALED = "key.revealed", "Key shown to someone new"
    KEY_REVOKED = "key.revoked", "Key revoked"
    KEY_LEAKED = "key.leaked", "Key found in public"
    KEY_EXPIRING = "key.expiring", "Key about to expire"
    KEY_UNUSED = "key.unused", "Key unused for 90 days"
    UNUSUAL_PATTERN = "key.unusual_pattern", "Unusual pattern"
    NETWORK_KEY_GENERATED = "network_key.generated", "Network key generated"
    NETWORK_KEY_REVOKED = "network_key.revoked", "Network key revoked"
    POSTBACK_PAUSED = "postback.paused", "Postback paused"
    FIREHOSE_PUSH_STOPPED = "push.stopped", "Firehose push stopped"


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who is told of a kind, where they are led, and what they are told to do.

    On the partner's side it is every active user of the partner, when there is an ``own_page``. On the network's side
    it is the partner's manager, and with ``admins`` also everybody who issues partner keys; these stand in for a
    manager that a partner does not have, so that nobody's trouble goes unseen. What is about no partner is told to
    those who change System Settings, when there is a ``network_page``. Nobody is told of what they did themselves, nor
    of anything on a page that they may not open.

    ``own_page`` and ``network_page`` are names of URLs, ``partner_page`` is one that takes the partner's number. After
    that all take the numbers of what a telling is about.
    """

    when: str
    own_page: str = ""
    partner_page: str = ""
    network_page: str = ""
    admins: bool = False
    # A mail that nobody can switch off: whoever got into an account could otherwise keep its owner from learning of it.
    is_always_mailed: bool = False
    # The words of the link, and what to do, for either side.
    action: str = "Have a look"
    own_advice: str = ""
    network_advice: str = ""

    def is_reached_by(self, user: User) -> bool:
        """Whether the user can ever be told of it, and so has something to choose."""
        if user.is_partner_user:
            return bool(self.own_page)
        is_about_partners = bool(self.partner_page) and VIEW_PARTNERS.is_held_by(user)
        return is_about_partners or (bool(self.network_page) and CHANGE_SYSTEM_SETTINGS.is_held_by(user))

    def advice_for(self, user: User) -> str:
        return self.own_advice if user.is_partner_user else self.network_advice

    def recipients(self, people: list[User], *, partner_id: int | None, manager_id: int | None) -> list[User]:
        """Those of ``people``, active ones, who are told of what happened to that partner, or to the network."""
        if partner_id is None:
            return [user for user in people if self.network_page and CHANGE_SYSTEM_SETTINGS.is_held_by(user)]
        own = [user for user in people if self.own_page and user.partner_id == partner_id]
        if not self.partner_page:
            return own
        may_look = [user for user in people if VIEW_PARTNERS.is_held_by(user)]
        told = [user for user in may_look if user.pk == manager_id]
        if self.admins or not told:
            told += [user for user in may_look if ISSUE_PARTNER_KEYS.is_held_by(user) and user not in told]
        return own + told


AUDIENCES: dict[Kind, Audience] = {
    Kind.KEY_REQUESTED: Audience(
        when="A partner without a live key requests one.",
        partner_page="keys:partner",
        action="See the request",
        network_advice="Approve or decline it there. Whoever may issue keys can do either.",
    ),
    Kind.KEY_REQUEST_DECIDED: Audience(
        when="Your request for a key is approved or declined.",
        own_page="keys:account",
        action="Open your API page",
        own_advice=(
            "A key that was issued is on your API page, from where you can copy it into your integration. After a "
            "decline you may request one again there."
        ),
    ),
    Kind.KEY_ISSUED: Audience(
        when="A key is issued, or rotated and so gets a successor.",
        own_page="keys:account",
        partner_page="keys:partner",
        action="See the key",
        own_advice="You find it on your API page, from where you can copy it into your integration.",
    ),
    Kind.KEY_REVEALED: Audience(
        when="A key is shown to somebody, or copied by somebody, who has not seen it before.",
        own_page="keys:account",
        partner_page="keys:partner",
        is_always_mailed=True,
        action="See the key",
        own_advice="If you do not know why, ask your manager to revoke the key: whoever has it can read your data.",
        network_advice="If neither you nor the partner know why, rotate or revoke the key.",
    ),
    Kind.KEY_REVOKED: Audience(
        when="A key is revoked: whatever calls with it is refused from then on.",
        own_page="keys:account",
        partner_page="keys:partner",
        is_always_mailed=True,
        action="See the keys",
        own_advice="Integrations that use it are refused from now on; give them another key.",
        network_advice="Integrations that use it are refused from now on.",
    ),
    Kind.KEY_LEAKED: Audience(
        when="A key, or a one-time link to one, is reported to stand where everybody can read it.",
        own_page="keys:account",
        partner_page="keys:partner",
        network_page="keys:network",
        admins=True,
        is_always_mailed=True,
        action="See the key",
        own_advice=(
            "Take it out of that place and out of its history, and give the integrations that use it another key: ask "
            "your manager for one."
        ),
        network_advice="Replace the key: whoever has read it can use it for as long as it works.",
    ),
    Kind.KEY_EXPIRING: Audience(
        when="A key expires within seven days, and again when it does within a day.",
        own_page="keys:account",
        partner_page="keys:partner",
        action="See the key",
        own_advice="Change the integrations that still use it to its successor before that.",
        network_advice="If the partner still uses it, tell them to change to its successor.",
    ),
    Kind.KEY_UNUSED: Audience(
        when="No call has used a live key for 90 days; once for each silence.",
        own_page="keys:account",
        partner_page="keys:partner",
        network_page="keys:network",
        action="See the key",
        own_advice="If you do not need it any more, ask your manager to revoke it: nobody would notice its misuse.",
        network_advice="If nobody needs it, revoke it: nobody would notice its misuse.",
    ),
    Kind.UNUSUAL_PATTERN: Audience(
        when="A key does something it has never done, such as calling from another network.",
        partner_page="patterns:partner",
        network_page="patterns:network",
        admins=True,
        action="See the pattern",
        network_advice="Dismiss it if you know what it is. If nobody does, rotate or revoke the key.",
    ),
    Kind.NETWORK_KEY_GENERATED: Audience(
        when="A network key is generated; the one before it stops working at that moment.",
        network_page="keys:network",
        is_always_mailed=True,
        action="See the network key",
        network_advice="If nobody you know did it, revoke it: whoever has it can read and change everything.",
    ),
    Kind.NETWORK_KEY_REVOKED: Audience(
        when="The network key is revoked: the network's own systems are refused from then on.",
        network_page="keys:network",
        is_always_mailed=True,
        action="See the network key",
        network_advice="Systems that use it are refused from now on; generate another one for them.",
    ),
    Kind.POSTBACK_PAUSED: Audience(
        when="Ten calls of a postback in a row failed, so that it is paused.",
        own_page="postbacks:own_report",
        partner_page="postbacks:partner_report",
        action="See the postback",
        own_advice=(
            "Nothing is lost yet: what it still had to tell is kept for 72 hours. Mend the receiver or the URL, then "
            "resume it."
        ),
        network_advice=(
            "Nothing is lost yet: what it still had to tell is kept for 72 hours. The partner has to mend the receiver "
            "or the URL; then it can be resumed."
        ),
    ),
    Kind.FIREHOSE_PUSH_STOPPED: Audience(
        when="A Firehose push is paused because ten attempts in a row failed, or because what came next was gone.",
        own_page="push:own",
        partner_page="push:partner",
        action="See the push",
        own_advice="Nothing is lost while the events are kept. Mend the receiver or the URL, then resume it.",
        network_advice=(
            "Nothing is lost while the events are kept. The partner has to mend the receiver or the URL; then it can "
            "be resumed."
        ),
    ),
}
