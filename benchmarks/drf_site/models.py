from __future__ import annotations

from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


class Partner(models.Model):
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=20, default="active")
    currency = models.CharField(max_length=3, default="USD")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class PartnerKey(AbstractAPIKey):
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE)
