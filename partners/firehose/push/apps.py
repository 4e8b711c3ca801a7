from __future__ import annotations

from django.apps import AppConfig


class PushConfig(AppConfig):
    name = "partners.firehose.push"
    label = "push"
