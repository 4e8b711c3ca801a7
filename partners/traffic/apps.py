from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class TrafficConfig(AppConfig):
    name = "partners.traffic"
    label = "traffic"

    def ready(self) -> None:
        # Models can be imported from here on, and not before.
        changes, outbox = import_module("partners.traffic.changes"), import_module("partners.traffic.outbox")
        changes.listen(outbox.keep, to_many=outbox.keep_all)
