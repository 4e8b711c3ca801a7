from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models


class Day(models.Model):
    """A day, in UTC, that is over. While it is sealed, its clicks and impressions are what the rollups say (ADR 14).

    A trigger of the tables of clicks and impressions deletes it as soon as a row of the day is written, changed or
    deleted; the rollups' rows of that day then mean nothing until it is sealed again.
    """

    day = models.DateField(primary_key=True)
    # Every transaction that may have written rows of this day while it lasted has a number below this.
    horizon = models.BigIntegerField()
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "reporting_day"

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"


class Sums(models.Model):
    """What clicks and impressions of one partner and one offer come to in a span of time; in the offer's currency."""

    partner_id = models.BigIntegerField()
    began_at = models.DateTimeField()
    offer_id = models.BigIntegerField()
    valid = models.IntegerField()
    uniques = models.IntegerField()
    invalid = models.IntegerField()
    impressions = models.IntegerField()
    payout = models.DecimalField(max_digits=24, decimal_places=7)
    revenue = models.DecimalField(max_digits=24, decimal_places=7)
    # The parts of these from rows that another offer had handed on.
    redirected_payout = models.DecimalField(max_digits=24, decimal_places=7)
    redirected_revenue = models.DecimalField(max_digits=24, decimal_places=7)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Partner {self.partner_id}, offer {self.offer_id}, {self.began_at:%Y-%m-%d %H:%M}"


class HourlySums(Sums):
    pk = models.CompositePrimaryKey("partner_id", "began_at", "offer_id")

    class Meta:
        db_table = "reporting_hourly"
        indexes: ClassVar = [BrinIndex(fields=["began_at"], pages_per_range=16, name="reporting_hourly_began_at")]


class DailySums(Sums):
    pk = models.CompositePrimaryKey("partner_id", "began_at", "offer_id")

    class Meta:
        db_table = "reporting_daily"
        indexes: ClassVar = [BrinIndex(fields=["began_at"], pages_per_range=16, name="reporting_daily_began_at")]


class DailySumsByPlace(Sums):
    pk = models.CompositePrimaryKey("partner_id", "began_at", "offer_id", "country_code", "device_type")
    country_code = models.CharField(max_length=2, blank=True)
    device_type = models.CharField(max_length=20, blank=True)

    class Meta:
        db_table = "reporting_daily_by_place"
        indexes: ClassVar = [BrinIndex(fields=["began_at"], pages_per_range=16, name="reporting_place_began_at")]


class DailySumsBySub(Sums):
    pk = models.CompositePrimaryKey("partner_id", "began_at", "offer_id", "sub1")
    sub1 = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "reporting_daily_by_sub"
        indexes: ClassVar = [BrinIndex(fields=["began_at"], pages_per_range=16, name="reporting_sub_began_at")]
