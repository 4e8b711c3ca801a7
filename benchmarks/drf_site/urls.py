from __future__ import annotations

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView
from rest_framework_api_key.permissions import BaseHasAPIKey, KeyParser

from benchmarks.drf_site.models import Partner, PartnerKey


class HasPartnerKey(BaseHasAPIKey):
    model = PartnerKey
    key_parser = KeyParser()


class NetworkThrottle(SimpleRateThrottle):
    scope = "network"
    rate = "100000000/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        # By key: DRF keeps a list of moments per cache key, and one list for the whole network would grow without end.
        return f"throttle-{request.headers['Authorization'][-8:]}"

    def allow_request(self, request: Request, view: APIView) -> bool:
        # One second's moments, not a minute's, so that what is measured is the mechanism and not the list.
        self.duration = 1
        return super().allow_request(request, view)


class AccountSerializer(serializers.ModelSerializer[Partner]):
    class Meta:
        model = Partner
        fields = ["id", "name", "status", "currency", "created_at"]


class Account(APIView):
    permission_classes = [HasPartnerKey]
    throttle_classes = [NetworkThrottle]

    def get(self, request: Request) -> Response:
        key = PartnerKey.objects.get_from_key(HasPartnerKey.key_parser.get(request))
        return Response(AccountSerializer(key.partner).data)


urlpatterns = [path("v1/affiliates/affiliate", Account.as_view())]
