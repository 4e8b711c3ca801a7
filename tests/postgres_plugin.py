"""Gives a test run its environment and one embedded PostgreSQL, which all its processes share.

Loaded by `-p` in pyproject.toml and not from conftest.py: pytest-django reads the settings before any conftest.
Nothing here imports Django.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from typing import IO

import psycopg
import pytest
from psycopg import sql

from portal import postgres

VAR = postgres.PROJECT / "var"
# Shared by the test runs of this checkout that use the server at the moment; the last of them stops it.
IN_USE = VAR / "test-postgres.users"
ENVIRONMENT = {
    "DEBUG": "1",
    "SECRET_KEY": "for-tests-alone-" + "0" * 48,
    "KEY_ENCRYPTION_KEYS": "1:" + "A" * 43 + "=",
    # Connections take longer on a busy machine. What happens when there are none is for tests that set another.
    "DATABASE_POOL_TIMEOUT": "120",
}

server = pytest.StashKey[postgres.Server]()
in_use = pytest.StashKey[IO[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # The workers of xdist inherit the address from the process that started them.
    if "DATABASE_URL" not in os.environ:
        started = postgres.Server(VAR / "test-postgres", settings=postgres.DISPOSABLE)
        # A name of its own, so that two runs in one checkout do not drop each other's test databases.
        os.environ["DATABASE_URL"] = started.url(f"latchkey_{os.getpid()}")
        early_config.stash[server] = started
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    if server not in config.stash or config.option.collectonly:
        return
    IN_USE.parent.mkdir(exist_ok=True)
    users = config.stash[in_use] = IN_USE.open("w")
    try:
        alone = True
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        alone = False
    try:
        config.stash[server].start()
    except postgres.PostgresUnusable as reason:
        raise pytest.UsageError(str(reason)) from None
    if alone:
        _drop_leftovers(config.stash[server])
    fcntl.flock(users, fcntl.LOCK_SH)


def pytest_unconfigure(config: pytest.Config) -> None:
    if in_use not in config.stash:
        return
    with config.stash[in_use] as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        config.stash[server].stop()


def _drop_leftovers(of: postgres.Server) -> None:
    """The databases of runs that were killed before they could drop them."""
    with psycopg.connect(of.url("postgres"), autocommit=True) as connection:
        names = connection.execute("select datname from pg_database where datname like 'test\\_%'").fetchall()
        for (name,) in names:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
