"""What a partner promotes an offer with: where its links may lead, and what to show."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.timezone import now


class OfferUrl(models.Model):
    """A place that a link may lead to instead of the offer's own destination."""

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="urls")
    name = models.CharField(max_length=120)
    destination_url = models.URLField(max_length=2000)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["offer", "name"], name="offer_url_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class Creative(models.Model):
    """A banner, a text or a mail that partners may show."""

    class Type(models.TextChoices):
        IMAGE = "image", "Image"
        VIDEO = "video", "Video"
        HTML = "html", "HTML"
        TEXT = "text", "Text"
        EMAIL = "email", "E-mail"

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="creatives")
    name = models.CharField(max_length=120)
    creative_type = models.CharField(max_length=10, choices=Type.choices)
    resource_url = models.URLField(max_length=2000, blank=True)
    width = models.IntegerField(default=0)
    height = models.IntegerField(default=0)
    html_code = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(creative_type__in=["image", "video", "html", "text", "email"]),
                name="creative_type_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(creative_type__in=["image", "video"], resource_url="")
                & ~Q(creative_type__in=["html", "text", "email"], html_code=""),
                name="creative_has_something_to_show",
            ),
            models.CheckConstraint(condition=Q(width__gte=0, height__gte=0), name="creative_size_is_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name
