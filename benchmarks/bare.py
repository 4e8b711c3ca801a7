"""The least that Django can do for a JSON answer and for a redirect: no middleware, no database. What the gate and the
tracking are measured against."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.urls import path

settings.configure(SECRET_KEY="benchmark", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
django.setup()

ACCOUNT = {
    "network_affiliate_id": 1,
    "network_id": 1,
    "name": "Partner 1",
    "account_status": "active",
    "network_employee_id": 0,
    "default_currency_id": "USD",
    "timezone_id": 67,
    "country_code": "",
    "website": "",
    "time_created": 1_780_000_000,
    "time_saved": 1_780_000_000,
}


def account(request: HttpRequest) -> JsonResponse:
    return JsonResponse(ACCOUNT)


def redirect(request: HttpRequest, partner: str, offer: str) -> HttpResponseRedirect:
    return HttpResponseRedirect("https://shop.example/buy?click=0198c1d2e3f400000000000000000000")


urlpatterns = [path("v1/affiliates/affiliate", account), path("t/<str:partner>/<str:offer>/", redirect)]
application = get_wsgi_application()
