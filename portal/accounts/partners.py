"""Partners, for pages of people. Their model stands above this package, so it is looked up and not imported."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models


def partners() -> models.QuerySet[Any]:
    """All partners."""
    found: models.QuerySet[Any] = apps.get_model("partners", "Partner")._default_manager.all()
    return found
