"""Finding keys where none should be: in repositories, logs, mails, exports."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from keys.models import Key
from keys.secret import KEY_BYTES, KEY_LENGTH, is_well_formed

# Stores of compressed objects, in which no text is found; `git log --patch | scan_for_keys -` looks into a history.
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})
LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Finding:
    """A well-formed key in a text; ``line`` counts from 1. The key itself stays out of its repr."""

    place: str
    line: int
    secret: str

    def __repr__(self) -> str:
        return f"Finding(place={self.place!r}, line={self.line})"


def search(place: str, stream: BinaryIO) -> Iterator[Finding]:
    """Every key in what the stream holds, be it text or not: by its form and its checksum, so hardly ever by chance.

    A line is read a megabyte at a time, so that a file without line ends costs no more memory than another; what lies
    across two such pieces is found too.
    """
    line, rest = 1, b""
    while piece := stream.readline(LONGEST_LINE):
        text = rest + piece
        for match in KEY_BYTES.finditer(text):
            secret = match.group().decode("ascii")
            if is_well_formed(secret):
                yield Finding(place, line, secret)
        if piece.endswith(b"\n"):
            line, rest = line + 1, b""
        else:
            # One byte less than a key: whatever was found whole is not found again.
            rest = text[-(KEY_LENGTH - 1) :]


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and all inside the folders named, in order. Links are not followed.

    :raises FileNotFoundError: when there is nothing of that name
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        if path.is_file():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
            for name in sorted(names):
                file = Path(folder, name)
                if file.is_file() and not file.is_symlink():
                    yield file


def owners_of(findings: Iterable[Finding]) -> Iterator[tuple[Finding, Key | None]]:
    """Each finding with the key it is; None when no key of this network has ever been that text."""
    known: dict[str, Key | None] = {}
    for finding in findings:
        if finding.secret not in known:
            known[finding.secret] = Key.objects.opened_by(finding.secret)
        yield finding, known[finding.secret]
