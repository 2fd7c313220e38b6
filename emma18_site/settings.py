"""All settings. Whatever varies between installations is an EMMA18_* variable, described in docs/settings.md."""

import socket
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from emma18_site import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# Where things are kept

DATA_DIR = env.data_dir(BASE_DIR / "data")
_secrets = env.stored_secrets(DATA_DIR)
SECRET_KEY = env.secret("EMMA18_SECRET_KEY") or _secrets["secret_key"]
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("EMMA18_SECRET_KEY is too short: give it 50 random characters or more, or leave it out.")
MASTER_KEYS = _secrets["master_keys"]
MASTER_KEY_ID = _secrets["master_key_id"]
EMBEDDED_RUNTIME_FILE = DATA_DIR / "embedded.json"
MODELS_DIR = DATA_DIR / "models"  # .gguf files of one's own
STORYBOARD_RUNTIME_FILE = DATA_DIR / "storyboard.json"
STORYBOARD_DIR = DATA_DIR / "storyboard"
MEDIA_ROOT = DATA_DIR / "media"
INCOMING_DIR = MEDIA_ROOT / "incoming"  # files on their way in: within, so that they can be renamed into place

# Addresses

DEBUG = env.flag("EMMA18_DEBUG")
PUBLIC_URL = env.web_address("EMMA18_PUBLIC_URL")
LISTEN_HOST = env.text("EMMA18_LISTEN_HOST", "127.0.0.1")
LISTEN_PORT = env.number("EMMA18_LISTEN_PORT", 8018, least=1, most=65535)
LISTENS_ON_LOOPBACK_ONLY = LISTEN_HOST in ("localhost", "::1") or LISTEN_HOST.startswith("127.")
_NAMES = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # a browser cannot go to "every address"
ADDRESS_FILE = DATA_DIR / "address"  # where `up` last served this folder
ADDRESS = PUBLIC_URL or f"http://{_NAMES.get(LISTEN_HOST, LISTEN_HOST)}:{LISTEN_PORT}"


def _own_names() -> list[str]:
    """The names under which a browser on the local network may reach this machine."""
    name = socket.gethostname()
    names = {name, f"{name}.local", LISTEN_HOST}
    try:
        names |= {str(address[4][0]) for address in socket.getaddrinfo(name, None)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks the kernel which own address faces outward
            names.add(probe.getsockname()[0])
    except OSError:
        pass  # no network: the names above have to do
    return sorted(f"[{name}]" if ":" in name else name for name in names)


ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.host_names("EMMA18_ALLOWED_HOSTS")]
if PUBLIC_URL:
    ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
elif not LISTENS_ON_LOOPBACK_ONLY:
    ALLOWED_HOSTS += _own_names()

EGRESS_ALLOW = env.items("EMMA18_EGRESS_ALLOW")

# Application

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
    "allauth",
    "allauth.account",
    "emma18_site",
    "accounts",
    "catalog",
    "chat",
    "videos",
]
MIDDLEWARE = [
    "emma18_site.middleware.request_id",
    "emma18_site.middleware.api_errors",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "emma18_site.middleware.time_zone",
    "emma18_site.middleware.refusals_as_pages",
]
ROOT_URLCONF = "emma18_site.urls"
ASGI_APPLICATION = "emma18_site.asgi.application"
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
                "emma18_site.shell.shell",
            ],
            "builtins": ["emma18_site.templatetags.icons"],  # on every page, dozens of times
        },
    },
]
APPEND_SLASH = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
LANGUAGE_CODE = "en"

# Database

# Every thread that asks the database lives on, those of pages too (`page_threads.py`), and keeps its connection.
_KEPT = {"CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}


def _database(url: str) -> dict[str, object]:
    if not url:
        # IMMEDIATE takes the write lock at BEGIN: a deferred transaction that writes after reading fails under
        # concurrency instead of waiting. FULL survives loss of power.
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "emma18.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
            "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
            **_KEPT,
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or len(parts.path) < 2:
        raise ImproperlyConfigured("EMMA18_DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("EMMA18_DATABASE_URL has a port that is not a number.") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "OPTIONS": {"connect_timeout": 5},
        **_KEPT,
    }


DATABASES = {"default": _database(env.secret("EMMA18_DATABASE_URL"))}

# Background jobs: each name is a queue and the cluster of workers that serves it. Why so: docs/decisions/0006.

REDIS_URL = env.secret("EMMA18_REDIS_URL")
if REDIS_URL and urlsplit(REDIS_URL).scheme not in ("redis", "rediss", "unix"):
    raise ImproperlyConfigured("EMMA18_REDIS_URL must look like redis://user:password@host:6379/0.")
JOB_TIMEOUT_S = 120
JOB_CLUSTERS = {
    "default": {"workers": 2, "queue_limit": 2},
    "videos": {"workers": 2, "queue_limit": 2},  # one is nearly always at the sweep
    "media": {"workers": 2, "queue_limit": 2, "timeout": 600, "retry": 3000},  # a large clip over a slow line
}
Q_CLUSTER = {
    "name": "default",
    **JOB_CLUSTERS["default"],
    "ALT_CLUSTERS": {name: cluster for name, cluster in JOB_CLUSTERS.items() if name != "default"},
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
    "bulk": 1,
    "poll": 0.5,
    "timeout": JOB_TIMEOUT_S,
    "retry": 5 * JOB_TIMEOUT_S,  # counts from when a job is taken to wait in memory, not from when it begins
    "max_attempts": 3,
    "ack_failures": True,  # a job that failed is not begun again: what is left to do is found by the next sweep
    "recycle": 200,
    "catch_up": False,
    "save_limit": -1,  # keep no row of what went well
    "label": "Background jobs",
}

# People

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
SIGNUP = env.choice("EMMA18_SIGNUP", ("invitation", "open"))
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "emma18_site.onboarding.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupExtras"
ACCOUNT_FORMS = {
    "login": "accounts.entrance_forms.LoginForm",
    "signup": "accounts.entrance_forms.SignupForm",
    "change_password": "accounts.entrance_forms.ChangePasswordForm",
    "reset_password": "accounts.entrance_forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.entrance_forms.ResetPasswordKeyForm",
}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key"}

# Mail: without a server of yours nothing is sent, and the pages that would send say so.

SMTP_URL = env.secret("EMMA18_SMTP_URL")
DEFAULT_FROM_EMAIL = env.text("EMMA18_MAIL_FROM", "EMMA18 <emma18@localhost>")
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1]:
    raise ImproperlyConfigured("EMMA18_MAIL_FROM must look like EMMA18 <emma18@example.org>.")
SENDS_MAIL = bool(SMTP_URL)


def _mailer(url: str) -> dict[str, object]:
    refused = ImproperlyConfigured("EMMA18_SMTP_URL must look like smtp+tls://user:password@mail.example.org:587.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refused from None
    if parts.scheme not in ("smtp", "smtp+tls", "smtps") or not parts.hostname:
        raise refused
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": port or (465 if parts.scheme == "smtps" else 587),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_tls": parts.scheme == "smtp+tls",
            "use_ssl": parts.scheme == "smtps",
            "timeout": 10,
        },
    }


MAILERS = {"default": _mailer(SMTP_URL)} if SENDS_MAIL else {}
SILENCED_SYSTEM_CHECKS = [] if SENDS_MAIL else ["mail.W001"]

# Videos and references: in the data folder, or in S3-compatible storage.

S3_URL = env.secret("EMMA18_S3_URL")


def _media_storage(url: str) -> dict[str, object]:
    if not url:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": MEDIA_ROOT}}
    parts = urlsplit(url)
    bucket, _, folder = parts.path.strip("/").partition("/")
    if parts.scheme not in ("http", "https") or not (parts.hostname and parts.username and parts.password and bucket):
        raise ImproperlyConfigured("EMMA18_S3_URL must look like https://key:secret@s3.example.org/bucket?region=eu-1.")
    from botocore.config import Config  # installed where the setting is

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "endpoint_url": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            "access_key": unquote(parts.username),
            "secret_key": unquote(parts.password),
            "bucket_name": bucket,
            "location": folder,
            "region_name": dict(parse_qsl(parts.query)).get("region"),
            "default_acl": None,
            "client_config": Config(
                s3={"addressing_style": "path"},
                signature_version="s3v4",
                request_checksum_calculation="when_required",  # many that are compatible know no others
                connect_timeout=5,
                read_timeout=60,
            ),
        },
    }


# Browser security

_FILES_AT = [f"{urlsplit(S3_URL).scheme}://{urlsplit(S3_URL).netloc.rpartition('@')[2]}"] if S3_URL else []
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:", *_FILES_AT],
    "media-src": [CSP.SELF, *_FILES_AT],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "emma18_site.views.csrf_failure"
if PUBLIC_URL.startswith("https://"):
    # Plain http on a local network must still log in, so cookies are tied to https only when people come by https.
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # https ends at a proxy: without this, throttling would count everybody behind it as one address.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # Whether other hosts under the same domain speak https, and whether browsers may hard-code that, is for the
    # domain's owner to say, not for one application on it.
    SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]

# Static files: collected once, served by emma18_site/static_files.py with far-future caching of hashed names.

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "emma18_site.static_files.Storage"},
    "media": _media_storage(S3_URL),
}

# Limits: the largest request body Django itself reads, which asgi.py cuts further for most pages; how long a body may
# make no progress; after how much silence a stream says that it lives, for proxies that cut silent connections.

DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024
BODY_STALL_S = env.number("EMMA18_BODY_STALL_S", 10, least=1, most=600)
KEEP_ALIVE_S = env.number("EMMA18_KEEP_ALIVE_S", 12, least=1, most=15)

# Logging

LOGGING_CONFIG = None
LOG_LEVEL = env.choice("EMMA18_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR"))
logs.configure(LOG_LEVEL)
