from __future__ import annotations

from django.apps import AppConfig


class ApiLogConfig(AppConfig):
    name = "apilog"
    label = "apilog"
