from __future__ import annotations

from django.apps import AppConfig


class PostbacksConfig(AppConfig):
    name = "partners.postbacks"
    label = "postbacks"
