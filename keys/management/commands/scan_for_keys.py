from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.finding import Finding, Found, files_under, owners_of, search
from keys.models import ShareLink
from keys.secret import hint_of


class Command(BaseCommand):
    help = (
        "Finds keys of this network, and one-time links to them, in files, folders or standard input, and says whose "
        "they are; never the keys themselves. Ends with 1 when a live one was found, so that a script can stop there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder; - is standard input")

    def handle(self, *, paths: list[str], **options: Any) -> None:
        live = found = 0
        for finding, what in owners_of(self.findings(paths)):
            found += 1
            live += what is not None and what.is_live
            self.stdout.write(f"{finding.place}:{finding.line}: {told(finding, what)}")
        if live:
            raise CommandError(f"{counted(found)} found, {live} of them live. Revoke what is live.", returncode=1)
        self.stdout.write(f"{counted(found)} found." if found else "No keys found.")

    def findings(self, paths: list[str]) -> Iterator[Finding]:
        if "-" in paths:
            yield from search("standard input", sys.stdin.buffer)
        try:
            for file in files_under(Path(path) for path in paths if path != "-"):
                yield from self.in_file(file)
        except FileNotFoundError as missing:
            raise CommandError(f"There is no {missing}.", returncode=2) from None

    def in_file(self, file: Path) -> Iterator[Finding]:
        try:
            with file.open("rb") as stream:
                yield from search(str(file), stream)
        except OSError as reason:
            self.stderr.write(f"{file} cannot be read: {reason.strerror}.")


def told(finding: Finding, what: Found | None) -> str:
    if what is None:
        return f"{hint_of(finding.secret)}, well formed, but no key of this network"
    if isinstance(what, ShareLink):
        state = "still shows it" if what.is_live else "shows nothing any more"
        return f"{hint_of(finding.secret)}, a one-time link to {what.key.hint} of {what.key.partner}: {state}"
    whose = f"of {what.partner}" if what.partner else "the network key"
    return f"{what.hint} “{what.label}”, {whose}: {what.state.label.lower()}"


def counted(number: int) -> str:
    return f"{number} key{'' if number == 1 else 's'}"
