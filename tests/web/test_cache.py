from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from portal.postgres import PROJECT
from portal.web import cache as module
from portal.web.cache import AtomicDatabaseCache, decode, encode
from portal.web.models import CacheEntry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROCESSES = 4
ATTEMPTS = 25
ROUNDS = 3
LIMIT = 25

# One of the processes: says that it is ready, and for each round it is told of tries, and says how often it passed.
KNOCKER = textwrap.dedent(
    """
    import sys
    import django
    from django.conf import settings
    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    django.setup()
    from django.test import RequestFactory
    from django_ratelimit.core import is_ratelimited

    request = RequestFactory().post("/")
    print("ready", flush=True)
    for round_name in iter(sys.stdin.readline, ""):
        passed = sum(
            not is_ratelimited(
                request, group=round_name, key=lambda group, request: "one", rate=sys.argv[2], increment=True
            )
            for attempt in range(int(sys.argv[3]))
        )
        print(passed, flush=True)
    """
)


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.mark.django_db(transaction=True)
def test_a_limit_lets_exactly_as_many_through_as_it_says_however_many_processes_try():
    name = connection.settings_dict["NAME"]
    command = [sys.executable, "-c", KNOCKER, name, f"{LIMIT}/d", str(ATTEMPTS)]
    knockers = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]

    passed = []
    try:
        assert [knocker.stdout.readline() for knocker in knockers if knocker.stdout] == ["ready\n"] * PROCESSES
        for number in range(ROUNDS):
            for knocker in knockers:
                assert knocker.stdin is not None
                knocker.stdin.write(f"round {number}\n")
                knocker.stdin.flush()
            passed.append(sum(int(knocker.stdout.readline()) for knocker in knockers if knocker.stdout))
    finally:
        for knocker in knockers:
            knocker.communicate()

    assert passed == [LIMIT] * ROUNDS


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("expired_before", [False, True])
def test_of_many_who_add_the_same_key_at_once_one_wins(expired_before):
    if expired_before:
        cache.add("once", "stale", timeout=0)
    together = Barrier(8)

    def add(number: int) -> bool:
        try:
            connection.ensure_connection()
            together.wait()
            return cache.add("once", number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(add, range(8)))

    assert answers.count(True) == 1
    assert cache.get("once") == answers.index(True)


def test_a_key_that_is_there_is_not_added_again(db):
    cache.add("colour", "red")

    added = cache.add("colour", "blue")

    assert not added
    assert cache.get("colour") == "red"


def test_a_key_that_has_expired_is_added_anew(db, frozen):
    cache.add("colour", "red", timeout=60)
    frozen.shift(timedelta(seconds=60))

    added = cache.add("colour", "blue", timeout=60)

    assert added
    assert cache.get("colour") == "blue"


def test_counting_a_key_that_is_not_there_is_refused(db):
    with pytest.raises(ValueError, match="no number"):
        cache.incr("nobody")


def test_counting_a_key_that_has_expired_is_refused(db, frozen):
    cache.set("visits", 3, timeout=60)
    frozen.shift(timedelta(seconds=60))

    with pytest.raises(ValueError, match="no number"):
        cache.incr("visits")


def test_counting_what_is_not_a_number_is_refused(db):
    cache.set("visits", "three")

    with pytest.raises(ValueError, match="no number"):
        cache.incr("visits")

    assert cache.get("visits") == "three"


def test_counting_up_and_down_keeps_the_time_of_expiry(db, frozen):
    cache.set("visits", 3, timeout=60)

    assert cache.incr("visits") == 4
    assert cache.incr("visits", 10) == 14
    assert cache.decr("visits", 20) == -6

    assert cache.get("visits") == -6
    frozen.shift(timedelta(seconds=61))
    assert cache.get("visits") is None


def test_a_touched_key_lives_on_and_an_expired_one_stays_gone(db, frozen):
    cache.set("kept", 1, timeout=60)
    cache.set("lost", 1, timeout=10)
    frozen.shift(timedelta(seconds=30))

    touched = [cache.touch("kept", timeout=60), cache.touch("lost", timeout=60), cache.touch("unheard-of")]

    frozen.shift(timedelta(seconds=45))
    assert touched == [True, False, False]
    assert cache.get_many(["kept", "lost"]) == {"kept": 1}


def test_every_way_to_read_and_write_speaks_of_the_same_values(db):
    cache.set_many({"count": 1, "text": "1", "yes": True, "list": [1, "two"], "nothing": None})
    cache.incr("count")

    assert cache.get_many(["count", "text", "yes", "list", "nothing", "missing"]) == {
        "count": 2,
        "text": "1",
        "yes": True,
        "list": [1, "two"],
        "nothing": None,
    }
    assert cache.get("yes") is True
    assert cache.get_or_set("fresh", lambda: 7) == 7
    assert "text" in cache
    assert cache.delete("text")
    assert "text" not in cache
    cache.clear()
    assert not CacheEntry.objects.exists()


def test_a_key_without_expiry_stays(db, frozen):
    cache.set("forever", "here", timeout=None)

    frozen.shift(timedelta(days=10_000))

    assert cache.get("forever") == "here"


@pytest.mark.django_db(transaction=True)
def test_what_has_expired_is_swept_out_in_passing_and_what_counts_stays(frozen, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_EVERY", 1)
    cache.set("live", 1, timeout=600)
    cache.set("dead", 1, timeout=60)
    frozen.shift(timedelta(seconds=61))

    cache.set("another", 1, timeout=600)

    assert sorted(entry.cache_key for entry in CacheEntry.objects.all()) == [":1:another", ":1:live"]


def test_the_cache_has_one_table():
    with pytest.raises(ImproperlyConfigured, match="web_cache"):
        AtomicDatabaseCache("elsewhere", {})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_comes_back_as_it_went_in(value):
    there_and_back = decode(encode(value))

    assert there_and_back == value
    assert type(there_and_back) is type(value)
