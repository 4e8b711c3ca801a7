from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class PostbacksConfig(AppConfig):
    name = "partners.postbacks"
    label = "postbacks"

    def ready(self) -> None:
        # Models can be imported from here on, and not before.
        changes, queueing = import_module("partners.traffic.changes"), import_module("partners.postbacks.queueing")
        changes.listen(queueing.queue, to_many=queueing.queue_all)
