from __future__ import annotations

from typing import Any

from django.apps import apps


def the_network() -> Any:
    """The network's settings. Their model stands a layer above this one, so it is looked up and not imported."""
    return apps.get_model("network", "Network").load()
