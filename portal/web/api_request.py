"""A question that a page has asked, as the command that asks the API the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

API = "/v1"


def curl(
    method: str,
    path: str,
    *,
    body: object = None,
    query: Mapping[str, Any] | None = None,
    accept: str = "application/json",
    options: str = "",
) -> str:
    """The call as a shell command, ready to be pasted; ``path`` starts behind ``/v1``: ``/affiliates/alloffers``.

    The key is left out: the command takes it from the variable LATCHKEY_KEY, as the examples of the guide do.
    Whatever texts the path, the query and the body hold, they arrive as they are: the shell and curl read nothing
    into them.
    """
    url = f"{settings.BASE_URL}{API}{quote(path)}"
    if query:
        url += f"?{urlencode(query, doseq=True)}"
    command = "curl" if method == "GET" else f"curl -X {method}"
    lines = [
        f"{command} {options} {shlex.quote(url)}" if options else f"{command} {shlex.quote(url)}",
        '-H "Authorization: Bearer $LATCHKEY_KEY"',
        f"-H 'Accept: {accept}'",
    ]
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"--data-raw {shlex.quote(text)}"]
    return " \\\n  ".join(lines)
