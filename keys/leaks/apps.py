from __future__ import annotations

from django.apps import AppConfig


class LeaksConfig(AppConfig):
    name = "keys.leaks"
    label = "leaks"
