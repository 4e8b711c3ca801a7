from __future__ import annotations

from django.db import models


class CacheEntry(models.Model):
    """The table of `portal.web.cache`, in the columns of Django's database cache; here so that a migration makes it."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "web_cache"

    def __str__(self) -> str:
        return self.cache_key
