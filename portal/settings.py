"""The one settings file. Every value that differs between deployments is read from the environment;
docs/configuration.md lists the variables."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

DEBUG = env.bool("DEBUG", default=False)

# Outside DEBUG these four have no default: a deployment that forgot one must not start with a guess.
if DEBUG:
    SECRET_KEY = env.str("SECRET_KEY", default="insecure-for-development-only-" + "0" * 32)
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
    KEY_ENCRYPTION_KEYS = env.list("KEY_ENCRYPTION_KEYS", default=["1:" + "A" * 43 + "="])
    DATABASE_URL = env.str("DATABASE_URL", default="postgresql:///latchkey")
else:
    SECRET_KEY = env.str("SECRET_KEY")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
    KEY_ENCRYPTION_KEYS = env.list("KEY_ENCRYPTION_KEYS")
    DATABASE_URL = env.str("DATABASE_URL")

# The address people and partners' scripts use, for links in mails and in the guide.
BASE_URL = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
# The password of the accounts that `manage.py demo` makes; without one it makes one up and prints it.
DEMO_PASSWORD = env.str("DEMO_PASSWORD", default="")
# Networks of the proxies in front of the site. Only these may say where a call came from.
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "portal",
    "portal.web",
    "portal.accounts",
    "portal.network",
    "portal.notifications",
    "partners",
    "partners.offers",
    "partners.traffic",
    "partners.postbacks",
    "partners.firehose",
    "partners.firehose.push",
    "partners.reporting",
    "partners.billing",
    "keys",
    "keys.leaks",
    "apilog",
    "apilog.patterns",
    "portal.status",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # FORM_RENDERER looks for the widgets' own templates among the apps.
    "django.forms",
    "csp",
    "django_htmx",
    "django_tables2",
    "heroicons",
    "hijack",
    "netfields",
    "ninja",
    "procrastinate.contrib.django",
    "template_partials",
]

MIDDLEWARE = [
    # First, and with none of the site's middleware before it: there are more visitors who follow links than all
    # others together, and they have no cookie, no session and no CSRF token.
    "partners.traffic.arrivals.middleware.TrackingMiddleware",
    # Reports of leaked keys come from a machine, too, and prove by their signature whose they are.
    "keys.leaks.middleware.LeakReportMiddleware",
    # A call passes none of the site's middleware: it has no cookie, no session, no CSRF token, and must never be
    # redirected.
    "portal.api.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    # Before the session, which is kept in the database: these pages must answer without it.
    "portal.status.middleware.StatusMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.accounts.impersonation.ImpersonationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.web.errors.RefusalMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "django.contrib.auth.context_processors.auth",
                "portal.network.context.network",
                "portal.notifications.context.unread_notifications",
                "keys.context.own_keys",
                "apilog.patterns.context.open_patterns",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

_database = env.dj_db_url("DATABASE_URL", default=DATABASE_URL)
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "portal.web.postgresql",
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            **_database.get("OPTIONS", {}),
            # Django turns preparing off, and with it what asks for it by name, as the gate's decision does. However
            # often another statement runs, it is not prepared: the literals in it make it another one each time.
            "prepare_threshold": 2**31,
            # A full pool is an error within seconds instead of a queue without end, and so is a server that is
            # away: the pool soon gives up on it, and tries again when somebody asks.
            "pool": {
                "min_size": env.int("DATABASE_POOL_MIN", default=2),
                "max_size": env.int("DATABASE_POOL_MAX", default=28),
                "timeout": env.float("DATABASE_POOL_TIMEOUT", default=5.0),
                "max_lifetime": 1800,
                "reconnect_timeout": 2.0,
            },
            "options": "-c statement_timeout={} -c idle_in_transaction_session_timeout=60000".format(
                env.int("DATABASE_STATEMENT_TIMEOUT_MS", default=30_000)
            ),
        },
    }
}
# A report that is streamed may take longer than a page: it ends when its client has read it.
EXPORT_STATEMENT_TIMEOUT_MS = env.int("EXPORT_STATEMENT_TIMEOUT_MS", default=600_000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "portal.web.cache.AtomicDatabaseCache",
        "LOCATION": "web_cache",
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["portal.accounts.backends.EmailBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24

HIJACK_PERMISSION_CHECK = "portal.accounts.impersonation.may_impersonate"
HIJACK_INSERT_BEFORE = None  # base.html shows the banner itself
IMPERSONATION_SECONDS = 60 * 60

SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
CSRF_FAILURE_VIEW = "portal.web.errors.csrf_failure"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
# Probes come over plain HTTP from inside.
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# The key function of every limit is ours (portal.web.limits), because a proxy must not be taken for the person.
RATELIMIT_USE_CACHE = "default"
SILENCED_SYSTEM_CHECKS = [
    # Our cache backend is not on django-ratelimit's list, but is atomic; tests/web/test_cache.py proves it.
    "django_ratelimit.W001",
    # E-mail addresses are unique in any case, by a constraint over lower(email) that this check does not see.
    "auth.W004",
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

EMAIL_URL = env.str("EMAIL_URL", default="console:")
_email = env.dj_email_url("EMAIL_URL", default=EMAIL_URL)
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email.get("EMAIL_HOST", "localhost")
EMAIL_PORT = _email.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Latchkey <latchkey@localhost>")

# An app's background jobs stand in its jobs.py.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
# One of them is at the queue of postbacks all the time, and one at the pushes; a mail must wait for neither, nor for a
# month's invoices.
PROCRASTINATE_WORKER_DEFAULTS = {"concurrency": 5}

# Whether postbacks may call private addresses, this machine's among them: for closed networks, and for tests.
POSTBACKS_ALLOW_PRIVATE = env.bool("POSTBACKS_ALLOW_PRIVATE", default=False)

# The public keys whose owner may report leaked keys: IDENTIFIER:KEY, the key as in its PEM file without line ends.
LEAK_SIGNING_KEYS: list[str] = env.list("LEAK_SIGNING_KEYS", default=[])
# Where the worker looks for them, in GitHub's format; it looks nowhere while this is empty.
LEAK_SIGNING_KEYS_URL = env.str("LEAK_SIGNING_KEYS_URL", default="")

# How long a partner may be away from its Firehose and still find where it was.
FIREHOSE_RETENTION_DAYS = env.int("FIREHOSE_RETENTION_DAYS", default=7)
# Where NATS JetStream carries its events, separated by commas; PostgreSQL does while this is empty.
FIREHOSE_NATS_URL = env.str("FIREHOSE_NATS_URL", default="")
# On how many servers of a cluster each of its streams is kept.
FIREHOSE_NATS_REPLICAS = env.int("FIREHOSE_NATS_REPLICAS", default=1)

# Where each machine keeps the last known states, for the day on which the database cannot be asked.
STATUS_SNAPSHOT = Path(env.str("STATUS_SNAPSHOT", default=str(BASE_DIR / "var" / "status.json")))

# Files in MaxMind's format that tell where visitors come from; without them nothing is known of that.
GEOIP_CITY = env.str("GEOIP_CITY", default="")
GEOIP_ISP = env.str("GEOIP_ISP", default="")
GEOIP_CONNECTION = env.str("GEOIP_CONNECTION", default="")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DJANGO_TABLES2_TEMPLATE = "ui/table.html"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        # Whatever is logged, by whom ever, an address or a traceback with a key in it is written without the key.
        "line": {
            "()": "keys.secret.RedactingFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
    },
}
