"""Rows of visits into the database: all those of a batch in one statement, with everything that has to come with them.

They go as JSON, each by the names of its columns. What a row leaves out is as its model has it by default, and costs
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from partners.traffic.models import Visit

# Values as JSON has them; what it does not, such as a moment, as text.
Row = dict[str, object]


def columns_of(model: type[Visit]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields]


def given(model: type[Visit]) -> str:
    """SQL for a function of rows, whose parameter ``as_json`` makes; their columns are those of the model."""
    defaults: Row = {str(field.column): field.get_default() for field in model._meta.concrete_fields}
    return (
        f"json_populate_recordset(json_populate_record(NULL::{model._meta.db_table}, '{as_json(defaults)}'), %s::json)"
    )


def as_json(rows: Row | Sequence[Row]) -> str:
    return json.dumps(rows)
