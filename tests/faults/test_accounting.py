from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.faults.conftest import RECOVER_SECONDS, ROUNDS, Answers, Calling, Site, wait_until

FAULTS = ("postgres", "web", "backend", "worker")
BUDGET = 400


@pytest.mark.parametrize("round_number", range(ROUNDS or 2))
def test_no_call_is_lost_counted_twice_or_let_through_beyond_the_budget(
    site: Site, calling: Calling, round_number: int
) -> None:
    fault = FAULTS[round_number % len(FAULTS)]
    prefix = f"round{round_number}"
    first = random.randrange(10, BUDGET)
    site.set_budget(BUDGET)

    with calling(prefix) as answers:
        wait_until(lambda: len(answers.statuses) > first)
        before = len(answers.statuses)
        getattr(site, f"kill_{fault}")()
        site.web.wait_until_it_answers(site.secret, 200, 429)
        wait_until(lambda: len(answers.statuses) > before, 2 * RECOVER_SECONDS)

    assert not answers.odd
    check_accounts(site, prefix, answers)


def check_accounts(site: Site, prefix: str, answers: Answers) -> None:
    logged = site.query("SELECT user_agent, status FROM apilog_call WHERE user_agent LIKE %s", f"{prefix}-%")
    changes = site.query("SELECT name FROM faults_change WHERE name LIKE %s", f"{prefix}-%")
    rows, changed = dict(logged), {name for (name,) in changes}
    passed = {name for name, status in rows.items() if status == 200}

    assert not [name for name, count in Counter(name for name, _ in logged).items() if count > 1]
    assert not [name for name, count in Counter(name for (name,) in changes).items() if count > 1]
    # A 503 promises nothing; every other answer is in the log, as what it was.
    promised = {name: status for name, status in answers.statuses.items() if status != 503}
    assert {name: rows.get(name) for name in promised} == promised
    assert not changed - passed
    # What was let through was spent first, and a crash forgets the one only together with the other.
    [(used,)] = site.query("SELECT used FROM keys_window WHERE scope = 'network'")
    assert len(answers.named(200)) <= len(passed) <= used <= BUDGET
