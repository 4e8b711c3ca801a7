from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from django.db import connection

from keys.models import Key, Window
from partners.models import Partner
from portal.network.models import Network
from portal.postgres import PROJECT
from tests.conftest import SETUP
from tests.faults.conftest import ROUNDS

PROCESSES = 16
THREADS = 4
ATTEMPTS = 10
BUDGET = 500

# For each round it is told of, this forks into processes that each make calls from several threads at once, and says
# how many of each one's calls passed the gate.
CALLERS = textwrap.dedent(
    """
    import os
    import sys
    import django
    from django.conf import settings
    database, secret, (processes, threads, attempts) = sys.argv[1], sys.argv[2], map(int, sys.argv[3:])
    settings.DATABASES["default"]["NAME"] = database
    settings.DATABASES["default"]["OPTIONS"]["pool"].update(min_size=1, timeout=60)
    django.setup()
    from concurrent.futures import ThreadPoolExecutor
    from django.db import connection
    from django.test import RequestFactory
    from keys.gate import Call, Outcome, Realm, Refused, admit

    def passes(number):
        request = RequestFactory(headers={"Authorization": "Bearer " + secret}).get("/v1/affiliates/affiliate")
        try:
            admit(request, Call.of(request), Realm.AFFILIATE)
        except Refused as refusal:
            assert refusal.outcome is Outcome.RATE_LIMITED, refusal
            return False
        finally:
            connection.close()
        return True

    for _ in iter(sys.stdin.readline, ""):
        children = []
        results, result = os.pipe()
        for _ in range(processes):
            children.append(os.fork())
            if not children[-1]:
                with ThreadPoolExecutor(threads) as pool:
                    os.write(result, b"%d\\n" % sum(pool.map(passes, range(threads * attempts))))
                os._exit(0)
        os.close(result)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * processes
        with os.fdopen(results) as lines:
            print(*[int(line) for line in lines], flush=True)
    """
)


@pytest.mark.django_db(transaction=True)
def test_of_what_sixteen_processes_try_exactly_the_budget_passes(
    network: Network, acme: Partner, acme_key: tuple[Key, str]
) -> None:
    network.change(by=SETUP, budget_requests=BUDGET, budget_seconds=86_400)
    name = connection.settings_dict["NAME"]
    command = [sys.executable, "-c", CALLERS, name, acme_key[1], *map(str, [PROCESSES, THREADS, ATTEMPTS])]
    rounds = 10 if ROUNDS else 2

    passed: list[list[int]] = []
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as callers:
        assert callers.stdin is not None and callers.stdout is not None
        for _ in range(rounds):
            Window.objects.all().delete()
            callers.stdin.write("go\n")
            callers.stdin.flush()
            passed.append([int(count) for count in callers.stdout.readline().split()])

    assert [len(counts) for counts in passed] == [PROCESSES] * rounds
    assert [sum(counts) for counts in passed] == [BUDGET] * rounds
    assert Window.objects.get(scope="network").used == BUDGET
