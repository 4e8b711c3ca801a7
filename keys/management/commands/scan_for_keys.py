from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.finding import Finding, files_under, owners_of, search
from keys.models import Key
from keys.secret import hint_of


class Command(BaseCommand):
    help = (
        "Finds keys of this network in files, folders or standard input, and says whose they are; never the keys "
        "themselves. Ends with 1 when a live one was found, so that a script can stop there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder; - is standard input")

    def handle(self, *, paths: list[str], **options: Any) -> None:
        live = found = 0
        for finding, key in owners_of(self.findings(paths)):
            found += 1
            live += key is not None and key.is_live
            self.stdout.write(f"{finding.place}:{finding.line}: {told(finding, key)}")
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


def told(finding: Finding, key: Key | None) -> str:
    if key is None:
        return f"{hint_of(finding.secret)}, well formed, but no key of this network"
    whose = f"of {key.partner}" if key.partner else "the network key"
    return f"{key.hint} “{key.label}”, {whose}: {key.state.label.lower()}"


def counted(number: int) -> str:
    return f"{number} key{'' if number == 1 else 's'}"
