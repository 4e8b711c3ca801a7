from __future__ import annotations

from django.apps import AppConfig


class FirehoseConfig(AppConfig):
    name = "partners.firehose"
    label = "firehose"
