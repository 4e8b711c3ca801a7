from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["BENCHMARK_DATABASE_URL"])

SECRET_KEY = "benchmark"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.drf_site.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_api_key",
    "drf_api_logger",
    "benchmarks.drf_site",
]
MIDDLEWARE = ["drf_api_logger.middleware.api_logger_middleware.APILoggerMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username,
        "HOST": unquote(url.hostname or ""),
        "OPTIONS": {"pool": {"min_size": 2, "max_size": 40}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# Throttling over several processes needs a cache they share; PostgreSQL is the only server on either side.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "throttle_cache"}}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
DRF_API_LOGGER_DATABASE = True
