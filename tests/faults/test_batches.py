from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apilog.models import LoggedCall, write_together
from keys.gate import Call
from portal.web.ids import new_id

pytestmark = pytest.mark.django_db

# All that a header or a URL can hold once the server has decoded it, and more: halves of characters, NUL, what COPY
# takes for the end of a field, a row or the data.
anything = st.text(max_size=40) | st.text(st.characters(codec=None), max_size=40)
ends = st.sampled_from(["\\.", "\\N", "\t", "\n", "\r\n", "\x00", "\ud800", "\\", "\\x00", "\u2028", "a\\\n\\.\n"])
texts = st.lists(anything | ends, max_size=4).map("".join)


def a_call(**said: Any) -> Call:
    facts = {"method": "GET", "path": "/v1/x", "query": "", "user_agent": "", "ip": None, "started": 0.0}
    return Call(**{**facts, "id": new_id(), "received_at": datetime.now(UTC), **said})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=texts,
    path=texts,
    query=texts,
    user_agent=texts,
    ip=st.sampled_from([None, ip_address("192.0.2.1"), ip_address("2001:db8::1")]),
    duration=st.integers(0, 2**40),
    size=st.integers(0, 2**40),
)
def test_nothing_that_a_client_sends_keeps_a_call_or_its_neighbours_out_of_the_log(
    method: str, path: str, query: str, user_agent: str, ip: Any, duration: int, size: int
) -> None:
    odd = a_call(method=method, path=path, query=query, user_agent=user_agent, ip=ip)
    odd.duration_us, odd.response_size = duration, size
    batch = [a_call(user_agent="before"), odd, a_call(user_agent="after")]

    write_together(batch)

    rows = [LoggedCall.objects.get(pk=call.id) for call in batch]
    assert [rows[0].user_agent, rows[2].user_agent] == ["before", "after"]
    assert (rows[1].response_size, rows[1].ip) == (size, str(ip) if ip else None)
    if path.isascii() and path.isprintable() and "lk_" not in path.lower() and "%" not in path:
        assert rows[1].path == path
