from __future__ import annotations

from django.apps import AppConfig


class TrafficConfig(AppConfig):
    name = "partners.traffic"
    label = "traffic"
