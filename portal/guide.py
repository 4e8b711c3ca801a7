"""The guide "Using your API key" at /guide/: what a partner's developer needs between the key and the first answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from keys.secret import AFFILIATE_PREFIX, CHECKSUM_LENGTH, RANDOM_LENGTH
from portal.reference import document
from portal.web.access import public
from portal.web.htmx import render_page

# The examples are files that a test executes, and the guide shows them as they are but for the address. They read the
# key from the environment, and hold none, not even an invented one: what stands in an example is copied with it.
EXAMPLES = settings.BASE_DIR / "docs" / "examples"
ADDRESS = "https://latchkey.example"
LANGUAGES = {".sh": "curl", ".py": "Python", ".mjs": "JavaScript", ".php": "PHP"}

PAGING = """\
"paging": {
  "page": 2,
  "page_size": 50,
  "total_count": 117
}
"""
ERROR = """\
{
  "code": "401",
  "error": "The API key is not valid. Check that it is complete and has not been revoked.",
  "Error": "The API key is not valid. Check that it is complete and has not been revoked."
}
"""


@dataclass(frozen=True)
class Example:
    element_id: str
    language: str
    file: str
    text: str


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    summary: str
    description: str


@require_safe
@public(reason="partners' developers read it without an account, and it holds nothing but public facts")
def guide(request: HttpRequest) -> HttpResponse:
    context = {
        "base_url": settings.BASE_URL,
        "prefix": AFFILIATE_PREFIX,
        "key_length": len(AFFILIATE_PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH,
        "examples": examples(settings.BASE_URL),
        "paging": PAGING,
        "error": ERROR,
        "endpoints": endpoints(request),
    }
    return render_page(request, "guide/guide.html", context)


@cache
def examples(base_url: str) -> dict[str, list[Example]]:
    """What the guide shows, by the name of the file without its ending, curl first."""
    found = defaultdict(list)
    for suffix, language in LANGUAGES.items():
        for file in sorted(EXAMPLES.glob(f"*{suffix}")):
            name = file.stem.replace("-", "_")
            text = file.read_text().replace(ADDRESS, base_url).rstrip()
            found[name].append(Example(f"{file.stem}-{language.lower()}", language, file.name, text))
    return dict(found)


def endpoints(request: HttpRequest) -> dict[str, list[Endpoint]]:
    """What a partner key opens, and what needs no key, by subject: read from the API, so that it is never behind."""
    found = defaultdict(list)
    for path, operations in document(request, "reference")["paths"].items():
        for method, operation in operations.items():
            told = " ".join(operation["description"].partition("\n\n")[0].split())
            found[operation["tags"][0]].append(Endpoint(method.upper(), path, operation["summary"], told))
    return dict(found)
