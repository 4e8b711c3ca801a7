"""Django's PostgreSQL backend, with a pool that does not hand out connections the server has closed."""

from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """After a restart of the server every connection in the pool is dead, and each would fail the request it is given.

    CONN_HEALTH_CHECKS would find out by asking the server each time, which costs as much as a call spends on all else
    in the database. The kernel knows it for nothing: on a connection that nobody uses, nothing can arrive but its end.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        while self.pool is not None and has_hung_up(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = super().get_new_connection(conn_params)
        return connection


def has_hung_up(connection: psycopg.Connection[Any]) -> bool:
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    if not socket.poll(0):
        return False
    # The server may also have told us of a setting that has changed.
    try:
        connection.execute("")
    except psycopg.OperationalError:
        return True
    return False
