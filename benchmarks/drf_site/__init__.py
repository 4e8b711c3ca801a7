"""The same job as it is usually built: Django REST framework, its throttling, djangorestframework-api-key and
drf-api-logger, on the same PostgreSQL."""

from __future__ import annotations
