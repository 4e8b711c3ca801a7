"""What an answer tells htmx, and what htmx says when it asks."""

from __future__ import annotations

import json
from typing import Any

HTMX = {"HX-Request": "true"}
DIALOG = {**HTMX, "HX-Target": "dialog-body"}


def told(response: Any) -> dict[str, Any]:
    """The events of the answer's HX-Trigger, with their details."""
    events: dict[str, Any] = json.loads(response["HX-Trigger"])
    return events
