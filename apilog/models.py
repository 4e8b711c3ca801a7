from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import DataError, IntegrityError, connection, models
from django.db.models import Q

from keys.gate import Outcome
from keys.models import Key
from keys.secret import redact
from partners.models import Partner
from portal.web.combining import Combiner
from portal.web.ids import first_id_at
from portal.web.storable import in_copy, storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from keys.gate import Call
    from portal.web.client_ip import Network

# Values of these parameters say what was asked for; any other is stored by its name alone.
KEPT_PARAMETERS = frozenset({"page", "page_size", "relationship", "order_field", "order_direction"})
PATH_LENGTH = 500
AGENT_LENGTH = 300


@models.GenericIPAddressField.register_lookup
class Within(models.Lookup):
    """``ip__within=network``: PostgreSQL's containment, which an ordinary index on the address serves."""

    lookup_name = "within"

    def get_prep_lookup(self) -> str:
        return str(self.rhs)

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        return "%s", (value,)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        address, address_parameters = self.process_lhs(compiler, connection)
        network, network_parameters = self.process_rhs(compiler, connection)
        return f"{address} <<= {network}::inet", (*address_parameters, *network_parameters)


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

    def between(self, start: datetime, end: datetime) -> Self:
        """Calls of ``start`` and later, earlier than ``end``; only the partitions of that time are read."""
        return self.filter(id__gte=first_id_at(start), id__lt=first_id_at(end))

    def from_network(self, network: Network) -> Self:
        """Calls whose client address lies in ``network``."""
        if network.prefixlen == network.max_prefixlen:
            return self.filter(ip=str(network.network_address))
        return self.filter(ip__within=network)


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

    # As they are called now; name_keys_and_partners fills them in.
    key_label = ""
    partner_name = ""

    class Meta:
        db_table = "apilog_call"
        ordering = ("-id",)
        # One for each filter of the log, each ending in the id, so that it serves that filter newest first.
        indexes: ClassVar = [
            models.Index(fields=["partner_id", "-id"], name="call_partner"),
            models.Index(fields=["key_id", "-id"], name="call_key"),
            models.Index(fields=["outcome", "-id"], name="call_outcome"),
            models.Index(fields=["status", "-id"], name="call_status"),
            models.Index(fields=["action", "-id"], name="call_action"),
            models.Index(fields=["realm", "-id"], name="call_realm"),
            models.Index(fields=["ip", "-id"], name="call_ip"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"

    @property
    def action_name(self) -> str:
        return action_name(self.action)

    @property
    def outcome_name(self) -> str:
        return outcome_name(self.outcome)

    @property
    def realm_name(self) -> str:
        return Key.Realm(self.realm).label if self.realm in Key.Realm.values else ""

    @property
    def duration_ms(self) -> float:
        return self.duration_us / 1000


def action_name(action: str) -> str:
    """The action in words, e.g. "Read affiliate account"."""
    return action.replace("_", " ").capitalize()


def outcome_name(outcome: str) -> str:
    return outcome.replace("_", " ").capitalize() if outcome != Outcome.OK else "OK"


def name_keys_and_partners(calls: Iterable[LoggedCall]) -> None:
    """Fills in the names of the calls' keys and partners: two queries for any number of calls."""
    calls = list(calls)
    labels = dict(Key.objects.filter(pk__in={call.key_id for call in calls}).values_list("pk", "label"))
    names = dict(Partner.objects.filter(pk__in={call.partner_id for call in calls}).values_list("pk", "name"))
    for call in calls:
        call.key_label = labels.get(call.key_id or 0, "")
        call.partner_name = names.get(call.partner_id or 0, "")


class TallyQuerySet(models.QuerySet["Tally"]):
    def of_everyone(self) -> Self:
        return self.filter(key_id=None)

    def by_key(self) -> Self:
        return self.filter(key_id__isnull=False)


class Tally(models.Model):
    """How many calls of one kind a span of time saw, so that long ranges are drawn without counting their calls.

    Each span is tallied twice: over everyone (no key), and for every key that called (ADR 9).
    """

    span = models.PositiveIntegerField()
    began_at = models.DateTimeField()
    partner_id = models.BigIntegerField(null=True)
    key_id = models.BigIntegerField(null=True)
    realm = models.CharField(max_length=20, blank=True)
    action = models.CharField(max_length=80, blank=True)
    status = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20)
    calls = models.PositiveBigIntegerField()

    objects = TallyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(span__gte=1), name="tally_has_a_span"),
            models.CheckConstraint(condition=Q(calls__gte=1), name="tally_counts_calls"),
            models.CheckConstraint(
                condition=Q(partner_id=None) | Q(key_id__isnull=False), name="tally_of_a_partner_names_its_key"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["span", "began_at"], condition=Q(key_id=None), name="tally_of_everyone"),
            models.Index(fields=["key_id", "span", "began_at"], name="tally_key"),
            models.Index(fields=["partner_id", "span", "began_at"], name="tally_partner"),
            # For dropping the old ones; they stand in the order of their time.
            BrinIndex(fields=["began_at"], name="tally_began_at"),
        ]

    def __str__(self) -> str:
        return f"{self.calls} × {self.outcome} in {self.span} s from {self.began_at:%Y-%m-%d %H:%M}"


class TallyMark(models.Model):
    """Up to when the calls stand in the tallies of one span."""

    span = models.PositiveIntegerField(primary_key=True)
    through_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.span} s through {self.through_at:%Y-%m-%d %H:%M}"


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


def amend(call: Call) -> None:
    """Writes into the row of a call whose answer was streamed how that ended. Until then the row says how it began.

    A minute that was tallied meanwhile keeps counting the call by the outcome it began with.
    """
    LoggedCall.objects.filter(pk=call.id).update(
        outcome=call.outcome, response_size=call.response_size, duration_us=min(call.duration_us, LONGEST_US)
    )


# What one row alone can be to blame for; then none of them was written.
OF_ONE_ROW = (DataError, IntegrityError, ValueError)

# The rows of all threads that wait for theirs go in one statement and one commit (ADR 8).
write = Combiner(write_together, by_an_item=OF_ONE_ROW)

NULL = r"\N"
# What the column holds: half an hour and more, for a client that sends its body a byte at a time.
LONGEST_US = 2**31 - 1


def line_of(call: Call) -> str:
    """The call in COPY's text format."""
    return (
        f"{call.id.hex}\t{call.received_at}\t{call.realm or ''}\t{loggable(call.method, 10)}\t"
        f"{loggable(call.path, PATH_LENGTH)}\t{loggable(redacted_query(call.query), PATH_LENGTH)}\t{call.action}\t"
        f"{call.status}\t{call.outcome}\t{call.limited_by}\t{call.ip or NULL}\t{call.key_id or NULL}\t"
        f"{call.key_hint}\t{call.partner_id or NULL}\t{min(call.duration_us, LONGEST_US)}\t{call.response_size}\t"
        f"{loggable(call.user_agent, AGENT_LENGTH)}\n"
    )


def redacted_query(query: str) -> str:
    """The query string with every value left out that is not on the list of those that may be kept."""
    kept = []
    for pair in query.split("&") if query else []:
        name, separator, value = pair.partition("=")
        kept.append(f"{name}{separator}{value if name in KEPT_PARAMETERS else '…' if separator else ''}")
    return "&".join(kept)


def loggable(text: str, length: int) -> str:
    """Text from a client as the log may keep it, as a field of COPY's text format: without keys, and short."""
    return in_copy(storable(redact(text), length))
