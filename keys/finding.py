"""Finding keys where none should be: in repositories, logs, mails, exports."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from keys.models import Key, ShareLink
from keys.secret import KEY_LENGTH, SECRET_BYTES, digest_of, is_secret_of

# Stores of compressed objects, in which no text is found; `git log --patch | scan_for_keys -` looks into a history.
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})
LONGEST_LINE = 1 << 20
ASKED_AT_ONCE = 500

# What a secret can turn out to be: a key, live or not, or a one-time link to one.
Found = Key | ShareLink


@dataclass(frozen=True)
class Finding:
    """A well-formed key, or token of a one-time link, in a text; ``line`` counts from 1. It itself stays out
    of the repr."""

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
        for match in SECRET_BYTES.finditer(text):
            secret = match.group().decode("ascii")
            if is_secret_of(secret[:7], secret):
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


def owners_of(findings: Iterable[Finding]) -> Iterator[tuple[Finding, Found | None]]:
    """Each finding with what it is; None when nothing of this network has ever been that text."""
    rest = iter(findings)
    while batch := list(islice(rest, ASKED_AT_ONCE)):
        known = known_among({finding.secret for finding in batch})
        for finding in batch:
            yield finding, known.get(finding.secret)


def known_among(secrets: Collection[str]) -> dict[str, Found]:
    """What those of the secrets are that this network has made."""
    by_digest = {digest_of(secret): secret for secret in secrets}
    keys = Key.objects.select_related("partner").filter(digest__in=by_digest)
    links = ShareLink.objects.select_related("key__partner").filter(digest__in=by_digest)
    found: list[Found] = [*keys, *links]
    return {by_digest[bytes(each.digest)]: each for each in found}
