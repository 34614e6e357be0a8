"""All settings, from the environment; `.env.example` explains each variable."""

import os
import re
import sys
from base64 import b64decode
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import dj_database_url
import django_stubs_ext
import environ
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import load_der_public_key
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from messaging.rates import parse

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(env.str("ENV_FILE", default="") or BASE_DIR / ".env")


def required(name: str, how: str) -> str:
    value: str = env.str(name, default="").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {how}")
    return value


def one_of(name: str, allowed: tuple[str, ...], default: str) -> str:
    value: str = env.str(name, default=default).strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}.")
    return value


def boolean(name: str, default: bool) -> bool:
    return one_of(name, ("true", "false", "1", "0", "yes", "no", "on", "off"), str(default).lower()) in {
        "true",
        "1",
        "yes",
        "on",
    }


def positive_int(name: str, default: int) -> int:
    value: str = env.str(name, default=str(default)).strip()
    if not value.isdigit() or int(value) < 1:
        raise ImproperlyConfigured(f"{name} must be a whole number of 1 or more.")
    return int(value)


def whole_number(name: str, default: int) -> int:
    value: str = env.str(name, default="").strip() or str(default)
    if not value.isdigit():
        raise ImproperlyConfigured(f"{name} must be a whole number of 0 or more.")
    return int(value)


def rate(name: str) -> str:
    try:
        return str(parse(env.str(name, default="")))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def is_mailbox(url: str) -> bool:
    """Whether this is the address of an IMAP mailbox, with a user name and a password that IMAP can carry."""
    try:
        parts = urlsplit(url)
        is_named = bool(parts.hostname and parts.username and parts.password) and parts.port != 0
    except ValueError:
        return False
    secrets = f"{unquote(parts.username or '')}{unquote(parts.password or '')}{unquote(parts.path)}"
    is_plain = secrets.isascii() and secrets.isprintable() and not (parts.query or parts.fragment)
    return parts.scheme in {"imap", "imaps"} and is_named and is_plain


def keys(name: str, pattern: str, example: str) -> list[str]:
    found = [key.strip() for key in env.str(name, default="").split(",") if key.strip()]
    if not all(re.fullmatch(pattern, key) for key in found):
        raise ImproperlyConfigured(f"{name} must be {example}, or several with commas.")
    return found


# --- Keys -------------------------------------------------------------------------------------------------------------

FRESH_KEYS = (
    "If there is data already, put the key it was written with back. For a new start, `make run` writes a .env with "
    "fresh keys where there is none; .env.example explains each."
)
SECRET_KEY = required("SECRET_KEY", FRESH_KEYS)

# django-encrypted-model-fields reads this name; the first key encrypts, all decrypt.
FIELD_ENCRYPTION_KEY = [key.strip() for key in required("ENCRYPTION_KEY", FRESH_KEYS).split(",") if key.strip()]
for position, key in enumerate(FIELD_ENCRYPTION_KEY, start=1):
    try:
        Fernet(key)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"ENCRYPTION_KEY number {position} is not a Fernet key (32 bytes in URL-safe base64). Make one with: "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        ) from error

INDEX_KEY = required("INDEX_KEY", FRESH_KEYS)
if len(INDEX_KEY) < 32:
    raise ImproperlyConfigured(
        "INDEX_KEY is shorter than 32 characters. Make one with: "
        'python -c "import secrets; print(secrets.token_urlsafe(32))"'
    )
if INDEX_KEY in {SECRET_KEY, *FIELD_ENCRYPTION_KEY}:
    raise ImproperlyConfigured("INDEX_KEY must differ from SECRET_KEY and ENCRYPTION_KEY: make a key of its own.")

# --- Where it runs ----------------------------------------------------------------------------------------------------

DEBUG = boolean("DEBUG", default=False)

PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="http://localhost:8000").strip().rstrip("/")
PUBLIC_BASE_URL_RULE = (
    "PUBLIC_BASE_URL must be the address people reach this site at, without a path: https://deals.example.com"
)
try:
    _public = urlsplit(PUBLIC_BASE_URL)
except ValueError as error:
    raise ImproperlyConfigured(PUBLIC_BASE_URL_RULE) from error
if _public.scheme not in {"http", "https"} or not _public.hostname or _public.path or _public.query:
    raise ImproperlyConfigured(PUBLIC_BASE_URL_RULE)
IS_HTTPS = _public.scheme == "https"

PROBE_HOST = "healthcheck.railway.app"  # the name under which that platform asks for /healthz
ALLOWED_HOSTS = [*(env.list("ALLOWED_HOSTS", default=[]) or [_public.hostname, "localhost", "127.0.0.1"]), PROBE_HOST]
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # platforms probe these over plain http
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
PROXY_COUNT = whole_number("PROXY_COUNT", int(IS_HTTPS))
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for sub-domains and preloading bind hosts that are not ours to decide for
    "security.W021",
    "anymail.W003",  # SendGrid is no longer supported by Anymail's authors; the provider stays a choice of the owner
]

# --- Application ------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "config.apps.RegularsAdminConfig",
    "django.contrib.auth",
    "django.contrib.humanize",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "axes",
    "django_otp",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "anymail",
    "csp",
    "django_q",
    "drf_spectacular",
    "encrypted_model_fields",
    "import_export",
    "rest_framework",
    "contacts.apps.ContactsConfig",
    "redemptions.apps.RedemptionsConfig",
    "campaigns.apps.CampaignsConfig",
    "messaging.apps.MessagingConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "contacts.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "contacts.middleware.SessionLimitsMiddleware",
    "contacts.middleware.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "contacts.middleware.BusinessTimezoneMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers in place of the page that somebody is locked out of
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "campaigns.views.shop_look",
            ],
        },
    }
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- Signing in -------------------------------------------------------------------------------------------------------

REQUIRE_2FA = boolean("REQUIRE_2FA", default=False)

# How long somebody stays signed in: in all, and without opening a page.
SESSION_HOURS = positive_int("SESSION_HOURS", 7 * 24)
SESSION_IDLE_MINUTES = positive_int("SESSION_IDLE_MINUTES", 12 * 60)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# Wrong passwords for one name from one address; the count is kept in the database, for all processes together. Whoever
# tries many names from one address is stopped by the second number.
SIGN_IN_TRIES = 5
SIGN_IN_TRIES_OF_ALL_NAMES = 50
SIGN_IN_WAIT_MINUTES = 15
AUTHENTICATION_BACKENDS = ["axes.backends.AxesBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = SIGN_IN_TRIES
AXES_COOLOFF_TIME = timedelta(minutes=SIGN_IN_WAIT_MINUTES)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # whoever goes on trying would be locked out for ever
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it, without addresses in clear
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "contacts.services.sign_in.visitor_address"
AXES_USERNAME_CALLABLE = "contacts.services.sign_in.hashed_name"
AXES_CLIENT_STR_CALLABLE = "contacts.services.sign_in.nameless"
AXES_LOCKOUT_CALLABLE = "contacts.admin.users.pages.locked_out"
AXES_SENSITIVE_PARAMETERS = [
    *("username", "otp_token", "csrfmiddlewaretoken", "next"),
    *("old_password", "new_password1", "new_password2", "token"),
]

# --- Database ---------------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'app.sqlite3'}"
if DATABASE_URL.startswith("sqlite:///var/"):
    DATABASE_URL = f"sqlite:///{BASE_DIR}/{DATABASE_URL.removeprefix('sqlite:///')}"
try:
    _database: dict[str, Any] = dict(dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True))
except (ValueError, KeyError) as error:
    raise ImproperlyConfigured(
        "DATABASE_URL cannot be read. Examples: sqlite:///var/app.sqlite3, postgres://user:password@host:5432/name"
    ) from error
if _database["ENGINE"] not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
    raise ImproperlyConfigured("DATABASE_URL must name an SQLite file or a PostgreSQL database.")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # IMMEDIATE takes the write lock at the start: a deferred read-then-write fails at once with "database is locked".
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; "
            "PRAGMA mmap_size=134217728; PRAGMA temp_store=MEMORY;"
        ),
    }
else:
    # Seconds; without it, minutes for a host that is gone.
    _database["OPTIONS"] = {"connect_timeout": 10, **_database.get("OPTIONS", {})}
# The worker keeps its connections: the queue's broker reconnects on every call otherwise.
if "qcluster" in sys.argv:
    _database["CONN_MAX_AGE"] = None
DATABASES = {"default": _database}

# --- Time and language ------------------------------------------------------------------------------------------------

# A page is in the language chosen on it, or else the browser's; this is for whoever reads neither, and for the mails
# that the product writes by itself.
LANGUAGE_CODE = one_of("BUSINESS_LANGUAGE", ("en", "es"), "en")
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "config.formats"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = IS_HTTPS
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- Static files -----------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- The business: first values, edited in the admin afterwards -------------------------------------------------------

BUSINESS_NAME = env.str("BUSINESS_NAME", default="").strip()
BUSINESS_ADDRESS = env.str("BUSINESS_ADDRESS", default="").strip()
BUSINESS_TIMEZONE = env.str("BUSINESS_TIMEZONE", default="UTC").strip()
FROM_EMAIL = env.str("FROM_EMAIL", default="").strip()
FROM_NAME = env.str("FROM_NAME", default="").strip() or BUSINESS_NAME
try:
    ZoneInfo(BUSINESS_TIMEZONE)
except (ValueError, OSError, KeyError) as error:
    raise ImproperlyConfigured("BUSINESS_TIMEZONE must be a time zone name such as America/Chicago.") from error
if FROM_EMAIL and not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", FROM_EMAIL):
    raise ImproperlyConfigured("FROM_EMAIL must be one e-mail address, without a name: hello@example.com")

# Apps that say to be older are sent to update; the scanner page is always as old as the server.
MIN_APP_VERSION = env.str("MIN_APP_VERSION", default="1.0.0").strip()
if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}", MIN_APP_VERSION):
    raise ImproperlyConfigured("MIN_APP_VERSION must be a version of numbers: 1.4.0")

# Where the month's redemptions go on the 2nd, as a file; empty: nowhere.
BOOKKEEPER_EMAIL = env.str("BOOKKEEPER_EMAIL", default="").strip()
if BOOKKEEPER_EMAIL and not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", BOOKKEEPER_EMAIL):
    raise ImproperlyConfigured("BOOKKEEPER_EMAIL must be one e-mail address, without a name: books@example.com")

# Apple Wallet passes, where the owner has an Apple developer's certificate for them.
WALLET_PASS_TYPE_ID = env.str("WALLET_PASS_TYPE_ID", default="").strip()
WALLET_TEAM_ID = env.str("WALLET_TEAM_ID", default="").strip()
WALLET_CERTIFICATE = env.str("WALLET_CERTIFICATE", default="").strip()
WALLET_KEY = env.str("WALLET_KEY", default="").strip()
WALLET_KEY_PASSWORD = env.str("WALLET_KEY_PASSWORD", default="")
WALLET_ISSUER_CERTIFICATE = env.str("WALLET_ISSUER_CERTIFICATE", default="").strip()
if WALLET_PASS_TYPE_ID:
    required("WALLET_TEAM_ID", "WALLET_PASS_TYPE_ID needs it.")
    for name in ("WALLET_CERTIFICATE", "WALLET_KEY", "WALLET_ISSUER_CERTIFICATE"):
        if not Path(required(name, "WALLET_PASS_TYPE_ID needs it.")).is_file():
            raise ImproperlyConfigured(f"{name} names no file.")

# --- Providers --------------------------------------------------------------------------------------------------------

OUTBOX_DIR = VAR_DIR / "outbox"
EMAIL_BACKENDS = {
    "outbox": "messaging.transports.outbox.OutboxBackend",
    "smtp": "messaging.transports.smtp.Backend",
    "ses": "messaging.transports.ses.Backend",
    "mailgun": "messaging.transports.mailgun.Backend",
    "postmark": "messaging.transports.postmark.Backend",
    "brevo": "messaging.transports.brevo.Backend",
    "sendgrid": "messaging.transports.sendgrid.Backend",
    "resend": "messaging.transports.resend.Backend",
}
EMAIL_PROVIDER = one_of("EMAIL_PROVIDER", tuple(EMAIL_BACKENDS), "outbox")
SMS_PROVIDER = one_of("SMS_PROVIDER", ("outbox", "twilio"), "outbox")
QR_IMAGES = one_of("QR_IMAGES", ("inline", "hosted"), "inline")
if EMAIL_PROVIDER == "brevo":
    QR_IMAGES = "hosted"  # Brevo takes no images inside a mail

EMAIL_API_URL = env.str("EMAIL_API_URL", default="").strip()
TWILIO_API_URL = env.str("TWILIO_API_URL", default="").strip().rstrip("/")
for name, url in (("EMAIL_API_URL", EMAIL_API_URL), ("TWILIO_API_URL", TWILIO_API_URL)):
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise ImproperlyConfigured(f"{name} must be an http or https address.")

PROVIDER_TIMEOUT_S = (5, 25)  # to connect, and to wait for an answer

EMAIL_KEYS = {
    "mailgun": "MAILGUN_API_KEY",
    "postmark": "POSTMARK_SERVER_TOKEN",
    "brevo": "BREVO_API_KEY",
    "sendgrid": "SENDGRID_API_KEY",
    "resend": "RESEND_API_KEY",
}
ANYMAIL: dict[str, Any] = {}
if EMAIL_PROVIDER in EMAIL_KEYS:
    name = EMAIL_KEYS[EMAIL_PROVIDER]
    ANYMAIL[name] = required(name, f"EMAIL_PROVIDER={EMAIL_PROVIDER} needs it.")
    if not re.fullmatch(r"[!-~]+", ANYMAIL[name]):
        raise ImproperlyConfigured(f"{name} must be one word, as the provider shows it.")
    if EMAIL_API_URL:
        ANYMAIL[f"{EMAIL_PROVIDER.upper()}_API_URL"] = EMAIL_API_URL
if EMAIL_PROVIDER == "mailgun" and (domain := env.str("MAILGUN_SENDER_DOMAIN", default="").strip()):
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", domain):
        raise ImproperlyConfigured("MAILGUN_SENDER_DOMAIN must be a domain, without https:// or @: mg.example.com")
    ANYMAIL["MAILGUN_SENDER_DOMAIN"] = domain
if EMAIL_PROVIDER == "postmark":
    ANYMAIL["POSTMARK_MESSAGE_STREAM"] = env.str("POSTMARK_MESSAGE_STREAM", default="").strip() or "broadcast"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", ANYMAIL["POSTMARK_MESSAGE_STREAM"]):
        raise ImproperlyConfigured("POSTMARK_MESSAGE_STREAM must be the ID of a stream, one word: broadcast")
    if ANYMAIL["POSTMARK_MESSAGE_STREAM"] == "outbound":
        raise ImproperlyConfigured(
            "POSTMARK_MESSAGE_STREAM=outbound is for receipts and passwords. Offers need a broadcast stream: broadcast"
        )

AWS_REGION = env.str("AWS_REGION", default="").strip() or env.str("AWS_DEFAULT_REGION", default="").strip()
if EMAIL_PROVIDER == "ses" and not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", AWS_REGION):
    raise ImproperlyConfigured("EMAIL_PROVIDER=ses needs AWS_REGION, a region such as us-east-1.")

EMAIL_BACKEND = EMAIL_BACKENDS[EMAIL_PROVIDER]
EMAIL_TIMEOUT = PROVIDER_TIMEOUT_S[1]
if EMAIL_PROVIDER == "smtp":
    EMAIL_HOST = required("EMAIL_HOST", "EMAIL_PROVIDER=smtp needs it.")
    EMAIL_PORT = positive_int("EMAIL_PORT", 587)
    EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
    EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
    EMAIL_USE_TLS = boolean("EMAIL_USE_TLS", default=EMAIL_PORT == 587)
    EMAIL_USE_SSL = boolean("EMAIL_USE_SSL", default=EMAIL_PORT == 465)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = FROM_EMAIL or "webmaster@localhost"

TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="").strip()
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="").strip()
TWILIO_PHONE_NUMBER = env.str("TWILIO_PHONE_NUMBER", default="").strip()
TWILIO_MESSAGING_SERVICE_SID = env.str("TWILIO_MESSAGING_SERVICE_SID", default="").strip()
if SMS_PROVIDER == "twilio":
    required("TWILIO_ACCOUNT_SID", "SMS_PROVIDER=twilio needs it.")
    required("TWILIO_AUTH_TOKEN", "SMS_PROVIDER=twilio needs it.")
    if not (TWILIO_PHONE_NUMBER or TWILIO_MESSAGING_SERVICE_SID):
        raise ImproperlyConfigured("SMS_PROVIDER=twilio needs TWILIO_MESSAGING_SERVICE_SID or TWILIO_PHONE_NUMBER.")

# First values; afterwards they are edited in the admin.
EMAIL_RATE = rate("EMAIL_RATE")
SMS_RATE = rate("SMS_RATE")

# --- Webhooks ---------------------------------------------------------------------------------------------------------

# Several of each, with commas, so that a key can be changed without losing a report.
WEBHOOK_SECRET = keys("WEBHOOK_SECRET", r"[^:,]+:.+", "user:password")
SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = keys(
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY", r"[A-Za-z0-9+/]{64,}={0,2}", "the verification key SendGrid shows"
)
for key in SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY:
    try:
        load_der_public_key(b64decode(key, validate=True))
    except ValueError as error:
        raise ImproperlyConfigured(
            "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY is not whole: copy the key from SendGrid once more."
        ) from error
MAILGUN_WEBHOOK_SIGNING_KEY = keys("MAILGUN_WEBHOOK_SIGNING_KEY", r"[!-~]+", "the HTTP webhook signing key")
RESEND_WEBHOOK_SECRET = keys("RESEND_WEBHOOK_SECRET", r"whsec_([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2,3}=+)?", "whsec_...")
AWS_SNS_TOPIC_ARNS = keys(
    "AWS_SNS_TOPIC_ARNS", r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d+:[\w.-]+", "arn:aws:sns:us-east-1:123456789012:name"
)

# --- Bounce mailbox ---------------------------------------------------------------------------------------------------

BOUNCE_ADDRESS = env.str("BOUNCE_ADDRESS", default="").strip()
if BOUNCE_ADDRESS and not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", BOUNCE_ADDRESS):
    raise ImproperlyConfigured("BOUNCE_ADDRESS must be one e-mail address, without a name: bounces@example.com")
BOUNCE_MAILBOX_URL = env.str("BOUNCE_MAILBOX_URL", default="").strip()
if BOUNCE_MAILBOX_URL and not is_mailbox(BOUNCE_MAILBOX_URL):
    raise ImproperlyConfigured(
        "BOUNCE_MAILBOX_URL must be the address of an IMAP mailbox: imaps://user:password@mail.example.com/INBOX. In "
        "the user name and the password write @ as %40, / as %2F, : as %3A and % as %25."
    )

# --- Set-up -----------------------------------------------------------------------------------------------------------

# Who is asked for the records of the sender's domain; empty: whom this machine asks.
DNS_SERVER = env.str("DNS_SERVER", default="").strip()
if DNS_SERVER and not re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}:\d{1,5}", DNS_SERVER):
    raise ImproperlyConfigured("DNS_SERVER must be an address with a port, such as 192.0.2.53:53")

# --- Texts ------------------------------------------------------------------------------------------------------------

# The first token sends, and each may have signed what Twilio reports: it can be changed without losing a report.
TWILIO_AUTH_TOKEN, *TWILIO_OTHER_AUTH_TOKENS = [token.strip() for token in TWILIO_AUTH_TOKEN.strip(", ").split(",")]
_price = env.str("SMS_PART_PRICE", default="").strip() or "0.0083"
if not re.fullmatch(r"[0-9](\.[0-9]{1,6})?", _price):
    raise ImproperlyConfigured("SMS_PART_PRICE must be what one part costs, in dollars: 0.0083")
SMS_PART_PRICE = Decimal(_price)

# --- Campaigns --------------------------------------------------------------------------------------------------------

LAUNCH_UNDO_S = 30  # between "Send" in the admin and the start

# --- Queue ------------------------------------------------------------------------------------------------------------

WORKERS = positive_int("WORKERS", 2)
SEND_CONCURRENCY = positive_int("SEND_CONCURRENCY", 16)
# What sends says every few seconds that it is alive; what is held by one that was silent for so long is settled.
PUMP_SILENT_S = 60
if os.environ.get("Q_CLUSTER_NAME", "regulars") != "regulars":
    raise ImproperlyConfigured("Q_CLUSTER_NAME names another queue, and there is one only: take it away.")

# With Redis a task that a dying worker holds is lost. Nothing depends on one: the clock finds what is due by itself.
REDIS_URL = env.str("REDIS_URL", default="").strip()
if REDIS_URL and urlsplit(REDIS_URL).scheme not in {"redis", "rediss", "unix"}:
    raise ImproperlyConfigured("REDIS_URL must be the address of a Redis database: redis://localhost:6379/0")
# Sign-up and scanner count what they throttle here; in memory, each process counts by itself.
CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS_URL:
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "regulars",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},  # a page waits no longer for a count
    }

Q_CLUSTER: dict[str, Any] = {
    "name": "regulars",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
    "workers": WORKERS,
    "queue_limit": WORKERS,  # tasks fetched ahead wait against `retry` too
    "bulk": 1,
    "poll": 0.5,
    "timeout": 120,  # above the longest wake-up: its budget, and a provider that hangs on the last message
    "retry": 600,  # checked at start: above (queue_limit / workers + 2) x timeout
    "max_attempts": 3,
    "ack_failures": True,
    "save_limit": -1,  # a positive limit re-reads all kept rows after every task: 50 acknowledgements a second
    "catch_up": False,
    "recycle": 200,
    "max_rss": 300_000,
    "label": "Queue",
}

# --- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["redemptions.api.authentication.DeviceTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "redemptions.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Regulars scanner API",
    "DESCRIPTION": "Redeem deals at the till. Unknown response fields must be ignored by clients.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVERS": [],
}

# --- Import and export ------------------------------------------------------------------------------------------------

IMPORT_EXPORT_SKIP_ADMIN_LOG = True  # one log line per row would copy personal data in clear
IMPORT_EXPORT_USE_TRANSACTIONS = True

# --- Logs -------------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"mask_tokens": {"()": "config.logs.MaskTokens"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["mask_tokens"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Refused scans (409) and wrong tokens (404) are answers, and have rows of their own where they matter.
        "django.request": {"level": "ERROR"},
        "django-q": {"level": "WARNING"},
        "axes": {"level": "ERROR"},  # who signs in, and who fails to, is in the audit log
    },
}
