"""The guide "Using your API key" at /guide/: what a partner's developer needs between the key and the first answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from keys.secret import AFFILIATE_PREFIX, CHECKSUM_LENGTH, RANDOM_LENGTH
from portal.api import api
from portal.web.access import public
from portal.web.htmx import render_page

# The examples read the key from the environment. None of them holds one, not even an invented one: what stands in an
# example is copied with it.
CURL = """\
export LATCHKEY_KEY='paste your key here, once'

curl BASE_URL/v1/affiliates/affiliate \\
  -H "Authorization: Bearer $LATCHKEY_KEY" \\
  -H "Accept: application/json"
"""
PYTHON = """\
import os
import requests

api = requests.Session()
api.headers["Authorization"] = f"Bearer {os.environ['LATCHKEY_KEY']}"
api.headers["Accept"] = "application/json"

answer = api.get("BASE_URL/v1/affiliates/affiliate", timeout=30)
answer.raise_for_status()
print(answer.json()["name"])
"""
JAVASCRIPT = """\
// On a server, such as Node: in a web page everybody could read the key.
const answer = await fetch("BASE_URL/v1/affiliates/affiliate", {
  headers: {
    Authorization: `Bearer ${process.env.LATCHKEY_KEY}`,
    Accept: "application/json",
  },
});
if (!answer.ok) throw new Error((await answer.json()).error);
console.log((await answer.json()).name);
"""
PHP = """\
<?php
$call = curl_init("BASE_URL/v1/affiliates/affiliate");
curl_setopt_array($call, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 30,
    CURLOPT_HTTPHEADER => [
        "Authorization: Bearer " . getenv("LATCHKEY_KEY"),
        "Accept: application/json",
    ],
]);
$account = json_decode(curl_exec($call), true);
echo $account["name"], PHP_EOL;
"""
RETRY = """\
import time

def get(path):
    for attempt in range(6):
        answer = api.get("BASE_URL" + path, timeout=30)
        if answer.status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        elif answer.status_code == 503:
            time.sleep(2**attempt)
        else:
            answer.raise_for_status()
            return answer.json()
    raise RuntimeError(f"{path} had no answer after 6 attempts")
"""
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
    text: str

    @classmethod
    def of(cls, element_id: str, language: str, text: str) -> Example:
        return cls(element_id, language, text.replace("BASE_URL", settings.BASE_URL).rstrip())


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
        "first_calls": [
            Example.of("example-curl", "curl", CURL),
            Example.of("example-python", "Python", PYTHON),
            Example.of("example-javascript", "JavaScript", JAVASCRIPT),
            Example.of("example-php", "PHP", PHP),
        ],
        "retry": Example.of("example-retry", "Python", RETRY),
        "paging": Example.of("example-paging", "JSON", PAGING),
        "error": Example.of("example-error", "JSON", ERROR),
        "endpoints": endpoints(),
    }
    return render_page(request, "guide/guide.html", context)


@cache
def endpoints() -> list[Endpoint]:
    """What a partner key opens, and what needs no key: read from the API itself, so that the list is never behind."""
    return [
        Endpoint(
            method.upper(), path, operation["summary"], operation.get("description", "").partition("\n")[0].strip()
        )
        for path, operations in sorted(api.get_openapi_schema()["paths"].items())
        for method, operation in operations.items()
        if path.startswith(("/v1/affiliates/", "/v1/meta/"))
    ]
