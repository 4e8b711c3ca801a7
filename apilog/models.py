from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import connection, models

from keys.gate import Outcome
from keys.secret import redact
from portal.web.combining import Combiner

if TYPE_CHECKING:
    from keys.gate import Call

# Values of these parameters say what was asked for; any other is stored by its name alone.
KEPT_PARAMETERS = frozenset({"page", "page_size", "relationship", "order_field", "order_direction"})
PATH_LENGTH = 500
AGENT_LENGTH = 300


class LoggedCallQuerySet(models.QuerySet["LoggedCall"]):
    def about_partner(self, partner_id: int) -> Self:
        return self.filter(partner_id=partner_id)

    def newest_first(self) -> Self:
        return self.order_by("-id")

    def before(self, call_id: uuid.UUID) -> Self:
        """Older calls than that one. Ids are UUIDv7, so their order is that of time."""
        return self.filter(id__lt=call_id)

    def after(self, call_id: uuid.UUID) -> Self:
        return self.filter(id__gt=call_id)


class LoggedCall(models.Model):
    """One row of the API Log. The table is partitioned by id, whose first 48 bits are the call's time.

    It has no foreign keys: a row is written whatever has become of the key, and is dropped with its partition.
    """

    id = models.UUIDField(primary_key=True)
    received_at = models.DateTimeField()
    realm = models.CharField(max_length=20, blank=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=PATH_LENGTH)
    query = models.CharField(max_length=PATH_LENGTH, blank=True)
    action = models.CharField(max_length=80, blank=True)
    status = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20)
    limited_by = models.CharField(max_length=80, blank=True)
    ip = models.GenericIPAddressField(null=True)
    key_id = models.BigIntegerField(null=True)
    key_hint = models.CharField(max_length=20, blank=True)
    partner_id = models.BigIntegerField(null=True)
    duration_us = models.PositiveIntegerField()
    response_size = models.PositiveBigIntegerField()
    user_agent = models.CharField(max_length=AGENT_LENGTH, blank=True)

    objects = LoggedCallQuerySet.as_manager()

    class Meta:
        db_table = "apilog_call"
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=["partner_id", "-id"], name="call_partner"),
            models.Index(fields=["key_id", "-id"], name="call_key"),
            models.Index(fields=["outcome", "-id"], name="call_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"

    @property
    def action_name(self) -> str:
        """The action in words, e.g. "Read affiliate account"."""
        return self.action.replace("_", " ").capitalize()

    @property
    def outcome_name(self) -> str:
        return Outcome(self.outcome).replace("_", " ").capitalize()


COPY = """
COPY apilog_call (
    id, received_at, realm, method, path, query, action, status, outcome, limited_by, ip, key_id, key_hint,
    partner_id, duration_us, response_size, user_agent
) FROM STDIN
"""


def write_together(calls: list[Call]) -> list[None]:
    """Writes the rows of calls in one statement, committed on return unless a transaction is open.

    COPY takes half the processor time that an INSERT of arrays takes, on both sides of the wire.

    :raises django.db.Error: when they could not be written; then none of them is
    """
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write("".join(map(line_of, calls)))
    return [None] * len(calls)


def write_alone(call: Call) -> None:
    """Writes one row in the current transaction, so that it stands or falls with what the call changed."""
    write_together([call])


# The rows of all threads that wait for theirs go in one statement and one commit (ADR 8).
write = Combiner(write_together)

NULL = r"\N"


def line_of(call: Call) -> str:
    """The call in COPY's text format."""
    return (
        f"{call.id.hex}\t{call.received_at}\t{call.realm or ''}\t{storable(call.method, 10)}\t"
        f"{storable(call.path, PATH_LENGTH)}\t{storable(redacted_query(call.query), PATH_LENGTH)}\t{call.action}\t"
        f"{call.status}\t{call.outcome}\t{call.limited_by}\t{call.ip or NULL}\t{call.key_id or NULL}\t"
        f"{call.key_hint}\t{call.partner_id or NULL}\t{call.duration_us}\t{call.response_size}\t"
        f"{storable(call.user_agent, AGENT_LENGTH)}\n"
    )


def redacted_query(query: str) -> str:
    """The query string with every value left out that is not on the list of those that may be kept."""
    kept = []
    for pair in query.split("&") if query else []:
        name, separator, value = pair.partition("=")
        kept.append(f"{name}{separator}{value if name in KEPT_PARAMETERS else '…' if separator else ''}")
    return "&".join(kept)


def storable(text: str, length: int) -> str:
    """Text from a client as the log may keep it: without keys, without what PostgreSQL cannot store, and short.

    Nothing in it can end a field of COPY's text format.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return redact(text)[:length].translate(ESCAPED)


ESCAPED = str.maketrans({"\x00": "\ufffd", "\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def first_id_at(moment: datetime) -> uuid.UUID:
    """The smallest id a call of that moment can have, for ranges of time over the primary key."""
    return uuid.UUID(int=(int(moment.timestamp() * 1000) << 80))
