"""What a report of leaked keys says, and what is answered: GitHub's format of its secret scanning partner program.

A report is a JSON array of what matched; the answer says of each whether it was a secret of ours, by its SHA-256.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from django.utils.encoding import iri_to_uri
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from keys.finding import Finding, known_among, search
from keys.leaks.models import LONGEST_SOURCE, LONGEST_URL, Leak, Place
from keys.models import Key, ShareLink
from keys.secret import digest_of, redact

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

MOST_REPORTED = 2000
SOURCE = re.compile(rf"[A-Za-z_ ]{{1,{LONGEST_SOURCE}}}")


class NoReport(ValueError):
    """The body is no such array."""


class TooLong(Exception):
    """More was reported at once than is looked at."""


Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class Match(BaseModel):
    """One text that looked like a secret of ours. ``url`` may be empty."""

    token: str = Field(repr=False)
    type: str
    url: Text = ""
    source: Text = ""

    @property
    def findings(self) -> list[Finding]:
        return list(search(self.type, io.BytesIO(self.token.encode())))

    @property
    def place(self) -> str:
        """The URL with what looks like a key in it replaced, in ASCII."""
        return str(iri_to_uri(redact(self.url.strip())))[:LONGEST_URL]

    @property
    def where(self) -> str:
        return self.source if SOURCE.fullmatch(self.source) else ""


MATCHES = TypeAdapter(list[Match])


def read(body: bytes) -> list[Match]:
    """:raises NoReport: when it cannot be read; nothing that was in it is in the exception
    :raises TooLong: when there are too many
    """
    try:
        matches = MATCHES.validate_json(body)
    except ValidationError:
        raise NoReport from None
    if len(matches) > MOST_REPORTED:
        raise TooLong
    return matches


def settle(matches: Sequence[Match], *, by: Actor) -> list[dict[str, str]]:
    """Notes what was found of whose, a key at a time, and answers the feedback on each match, in order.

    What was settled stays so when a later one fails: the same report once more changes nothing about it.
    """
    found = [(match, match.findings) for match in matches]
    known = known_among({finding.secret for _, findings in found for finding in findings})
    places: dict[Key, list[Place]] = defaultdict(list)
    feedback = []
    for match, findings in found:
        ours = [known[finding.secret] for finding in findings if finding.secret in known]
        for each in ours:
            link = each if isinstance(each, ShareLink) else None
            places[each.key if isinstance(each, ShareLink) else each].append(Place(match.place, match.where, link))
        feedback.append(
            {
                "token_hash": digest_of(match.token).hex(),
                "token_type": match.type,
                "label": "true_positive" if ours else "false_positive",
            }
        )
    for key in sorted(places, key=lambda key: key.pk):
        Leak.note(key, places[key], by=by)
    return feedback
