from __future__ import annotations

from django.core.cache.backends.db import DatabaseCache


class AtomicDatabaseCache(DatabaseCache):
    """The cache that the limits on sensitive actions count in."""
