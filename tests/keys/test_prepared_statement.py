from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from keys.models import Key

pytestmark = pytest.mark.django_db


def test_the_gates_statement_is_planned_once_a_connection(
    acme_key: tuple[Key, str], call: Callable[..., Client]
) -> None:
    client = call(acme_key[1])

    for _ in range(3):
        assert client.get("/v1/affiliates/affiliate").status_code == 200

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        [[statement]] = cursor.fetchall()
    assert "keys_admit" in statement
