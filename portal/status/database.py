"""Whether the database answers, asked so that the question itself never takes long."""

from __future__ import annotations

from functools import cache
from threading import Thread
from typing import Any

import psycopg
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from psycopg_pool import ConnectionPool, PoolTimeout

# For a connection, and for the whole answer.
PATIENCE_SECONDS = 1.0
ANSWER_SECONDS = 2.0


def trouble(*, migrated: bool = False) -> str:
    """Why the database cannot be used now, in a sentence; "" when it can. With ``migrated`` it must also have every
    migration of this code."""
    found: list[str] = []
    # In a thread, because nothing else ends the wait for a server that took the question and says nothing.
    asking = Thread(target=lambda: found.append(ask(connection_pool(), migrated=migrated)), daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return found[0] if found else "The database does not answer in time."


def connection_pool() -> ConnectionPool[Any]:
    pool: ConnectionPool[Any] = connection.pool  # type: ignore[attr-defined]
    return pool


def ask(pool: ConnectionPool[Any], *, migrated: bool) -> str:
    try:
        pool.open()
        found = answered(pool, "SELECT app || '.' || name FROM django_migrations" if migrated else "SELECT 1")
    except PoolTimeout:
        stats = pool.get_stats()
        if stats["pool_size"] >= stats["pool_max"] and not stats["pool_available"]:
            return f"All {stats['pool_max']} database connections of this process are in use."
        return "The database cannot be reached."
    except psycopg.errors.UndefinedTable:
        return "The database is not migrated."
    except psycopg.Error:
        return "The database does not answer."
    if migrated and (waiting := len(migrations_of_the_code() - found)):
        return f"{waiting} migration{'s are' if waiting > 1 else ' is'} not applied to the database."
    return ""


def answered(pool: ConnectionPool[Any], question: str) -> set[Any]:
    """The first column of the answer. A connection that broke since it was last used is replaced and asked again."""
    for is_last in (False, True):
        try:
            with pool.connection(timeout=PATIENCE_SECONDS) as connected:
                return {value for (value,) in connected.execute(question)}
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if is_last or isinstance(error, PoolTimeout):
                raise
            pool.check()
    raise AssertionError


@cache
def migrations_of_the_code() -> frozenset[str]:
    # Without a connection: only the files are read. A squashed migration counts by those it replaces.
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return frozenset(
        f"{app}.{name}" for (app, name), migration in loader.disk_migrations.items() if not migration.replaces
    )
