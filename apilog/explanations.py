"""What the outcomes of calls mean, and what helps: for the network's people, and for the partner's."""

from __future__ import annotations

from dataclasses import dataclass

from keys.gate import Outcome


@dataclass(frozen=True)
class Explanation:
    """``meaning`` says what happened, ``advice`` what whoever makes the calls can do about it."""

    meaning: str
    advice: str


EXPLANATIONS = {
    Outcome.OK: Explanation("The call was let through and answered.", "Nothing is to be done."),
    Outcome.BAD_REQUEST: Explanation(
        "The call was understood as far as who made it, but not what it asked for: a field, filter or header is "
        "missing, misspelt or of the wrong kind.",
        "Read the sentence in the answer's “error”: it names the field. Sending the same call again will not help.",
    ),
    Outcome.NO_KEY: Explanation(
        "The call carried no API key in any of the three headers that are read.",
        "Send the key as “Authorization: Bearer KEY”. Some clients drop that header after a redirect, and an empty "
        "environment variable sends an empty key.",
    ),
    Outcome.UNKNOWN_KEY: Explanation(
        "The call carried a key that was never issued here: mistyped, cut short, or another system's.",
        "Copy the key again from My Account, whole, without quotes or spaces around it.",
    ),
    Outcome.REVOKED_KEY: Explanation(
        "The key was revoked. A program somewhere still uses it.",
        "Put the live key into the program that made this call; its address and user agent say which one it is. If "
        "nobody knows the program, the old key had leaked, and it was right to revoke it.",
    ),
    Outcome.EXPIRED_KEY: Explanation(
        "The key's time has run out.",
        "Ask the network for a new key and put it into the program that made this call.",
    ),
    Outcome.WRONG_REALM: Explanation(
        "The key is good, but opens the other API: partner keys open /v1/affiliates, the network key /v1/networks.",
        "Change the path, not the key.",
    ),
    Outcome.IP_DENIED: Explanation(
        "The key may be used from the addresses on its allowlist alone, and this call came from another.",
        "If the address is the partner's own, have it added to the key's allowlist. If it is not, have the key "
        "replaced: somebody else holds it.",
    ),
    Outcome.RATE_LIMITED: Explanation(
        "The limit on calls was spent. A refused call costs nothing further. Limited by “streams”: as many exports and "
        "streams were being read as there can be at once.",
        "Wait as long as the answer's Retry-After says, keep answers that do not change, and ask for ranges of dates "
        "instead of single days. Read one export to its end before you begin the next.",
    ),
    Outcome.NOT_FOUND: Explanation(
        "There is no endpoint at this path, or no object of the partner's with this number.",
        "Compare the path with the documentation: no slash at its end, and /v1 at its start.",
    ),
    Outcome.METHOD_NOT_ALLOWED: Explanation(
        "The endpoint exists, but not for this HTTP method.",
        "Use one of the methods that the answer's Allow header lists.",
    ),
    Outcome.UNRELEASED: Explanation(
        "The endpoint is announced but not released yet.",
        "Nothing is wrong with the call. It will work once the endpoint is released.",
    ),
    Outcome.ERROR: Explanation(
        "Something failed on the network's side. The log output of the web process has the details under this "
        "request id.",
        "Try again a little later. If it stays, write to the network's support with the request ID.",
    ),
}


def explanation_of(outcome: str) -> Explanation | None:
    """None for an outcome that only an older or newer release gives."""
    return EXPLANATIONS[Outcome(outcome)] if outcome in set(Outcome) else None
