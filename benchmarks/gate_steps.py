"""What each step of the gate costs one thread that is alone, and one call of a batch of 32. Prints a table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import RequestFactory  # noqa: E402

import portal.api  # noqa: E402
from apilog.models import write_together  # noqa: E402
from keys.gate import Call, Question, Realm, decide_together, presented_key  # noqa: E402
from keys.models import Key  # noqa: E402
from keys.secret import digest_of, is_well_formed  # noqa: E402
from partners.api import read_affiliate_account  # noqa: E402
from partners.models import Partner  # noqa: E402
from portal.accounts.actors import Actor  # noqa: E402

BATCH = 32


def main() -> None:
    partner = Partner.objects.order_by("pk")[0]
    _, secret = Key.issue(partner=partner, label="Steps", by=Actor.system("benchmarks"))
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    environ = RequestFactory().get("/v1/affiliates/affiliate", headers=headers).environ
    request: Any = WSGIHandler().request_class(environ)
    question = Question(digest_of(secret), None, Realm.AFFILIATE, None)
    request.call = Call.of(request)
    request.call._partner = partner  # what the decision finds

    def carried_key() -> None:
        text = presented_key(request)
        assert is_well_formed(text)
        digest_of(text)

    handler: Any = WSGIHandler()
    rows = {
        "the call: request id, client address": cost(lambda: Call.of(request)),
        "routing": cost(lambda: portal.api.find("/v1/affiliates/affiliate")),
        "the key: header, checksum, digest": cost(carried_key),
        "the decision: key, realm, address, budget; alone": cost(lambda: decide_together([question]), 400),
        f"the decision; one of {BATCH}": cost(lambda: decide_together([question] * BATCH), 200) / BATCH,
        "the operation": cost(lambda: read_affiliate_account(request)),
        "the log row; alone": cost(lambda: write_together([Call.of(request)]), 400),
        f"the log row; one of {BATCH}": cost(lambda: write_together(several(request)), 200) / BATCH,
        "a whole call, alone": cost(lambda: handler(dict(environ), lambda *_: None).close(), 400),
    }
    print("| step | µs |\n| --- | ---: |")
    for name, microseconds in rows.items():
        print(f"| {name} | {microseconds:.0f} |")
    connection.close()


def several(request: Any) -> list[Call]:
    return [Call.of(request) for _ in range(BATCH)]


def cost(step: Callable[[], object], times: int = 5000) -> float:
    """Microseconds of wall time, the best of three, after a warm-up."""
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        for _ in range(times):
            step()
        best = min(best, (time.perf_counter() - started) / times)
    return best * 1_000_000


if __name__ == "__main__":
    main()
