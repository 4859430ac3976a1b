"""The project's own settings. Each reads its variable; `.env.example` documents them."""

from datetime import timedelta
from importlib.util import find_spec
from urllib.parse import quote

import django
from django.core.exceptions import ImproperlyConfigured

from config import forwarding
from config.env import BASE_DIR, boolean, email, env, malformed, missing, port, text, texts, url

# On in the development environment, whose shell sets DEV_ROOT. Off anywhere else, so that a
# forgotten variable in production is safe.
DEBUG = boolean("DJANGO_DEBUG", default=bool(text("DEV_ROOT")))

# A container's folder is /app for everybody, and names derived from it would collide.
PROJECT_NAME = text("PROJECT_NAME", BASE_DIR.name if DEBUG else "")
if not PROJECT_NAME:
    raise missing("PROJECT_NAME", "with DEBUG off the project does not guess its name.")

SECRET_KEY = text("DJANGO_SECRET_KEY", "django-insecure-development-only" if DEBUG else "")
if not SECRET_KEY:
    raise missing("DJANGO_SECRET_KEY", "with DEBUG off it must be a long random string.")

DJANGO_PORT = port("DJANGO_PORT", 8000)

ALLOWED_HOSTS = texts("DJANGO_ALLOWED_HOSTS", r"\*|[\w.-]+|\[[\w:.]+\]", "a bare host name")
if not ALLOWED_HOSTS and not DEBUG:
    raise missing("DJANGO_ALLOWED_HOSTS", "with DEBUG off the site answers to these names only.")
CSRF_TRUSTED_ORIGINS = texts(
    "DJANGO_CSRF_TRUSTED_ORIGINS", r"[\w+.-]+://[^/\s]+", "of the form https://www.example.com"
)
if DEBUG:
    ALLOWED_HOSTS += [".localhost", "127.0.0.1", "[::1]", forwarding.host(DJANGO_PORT)]
    # On their way through a Codespace's proxy, or a tunnel of VS Code, the origin of the pages
    # becomes localhost, with one scheme or the other. That of other pages stays as it is.
    CSRF_TRUSTED_ORIGINS += [f"{scheme}://localhost:{DJANGO_PORT}" for scheme in ("http", "https")]
    CSRF_TRUSTED_ORIGINS += [forwarding.address(DJANGO_PORT)]
    # A browser sends localhost's cookies to every port: two projects would log each other out.
    SESSION_COOKIE_NAME = f"sessionid-{DJANGO_PORT}"
    CSRF_COOKIE_NAME = f"csrftoken-{DJANGO_PORT}"

# Where users reach the site: for links in e-mails.
_host = forwarding.address(DJANGO_PORT) if DEBUG else "https://" + "".join(ALLOWED_HOSTS[:1])
SITE_URL = url("SITE_URL", _host.replace("//.", "//"), schemes=("http", "https")).rstrip("/")
if "*" in SITE_URL:
    raise missing("SITE_URL", "DJANGO_ALLOWED_HOSTS names no host for the links in e-mails.")

# Where this machine keeps its state: the database, mails, logs.
DATA_DIR = BASE_DIR / text("DATA_DIR", ".data")
if DEBUG:
    try:
        DATA_DIR.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise malformed("DATA_DIR", str(DATA_DIR), f"a folder: {error.strerror}") from None


# Applications

# The apps of this project need no line here. These come first, so that their templates do.
INSTALLED_APPS = [
    "home",
    "accounts",
    "outbox",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_htmx",
]

MIDDLEWARE = [
    "home.health.middleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": not DEBUG,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "home.views.project",
            ],
        },
    },
]
if DEBUG:
    # Without Django's cache, so that no process has to start again for the template of a page.
    names = ("filesystem", "app_directories")
    TEMPLATES[0]["OPTIONS"]["loaders"] = [f"django.template.loaders.{n}.Loader" for n in names]


# Database

_url = f"sqlite:///{quote(str(DATA_DIR / 'db.sqlite3'))}"
_url = url("DATABASE_URL", _url, schemes=("postgres", "postgresql", "sqlite"))
DATABASES = {"default": env.db_url_config(_url) | {"CONN_HEALTH_CHECKS": True}}
if text("DATABASE_URL").startswith("postgres") and not find_spec("psycopg"):
    raise ImproperlyConfigured("DATABASE_URL=postgres://… needs: uv add 'psycopg[binary]'")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Django, the workers and beat share the file. WAL lets them read while one writes; an
    # immediate transaction waits for the lock at its start, where a deferred one would fail when
    # it goes from reading to writing.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
    # Worker threads cannot share an in-memory database.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


# E-mail

# In production an unset EMAIL_URL is a local mail server; in development mails become files.
_url = f"filemail:///{quote(str(DATA_DIR / 'mail'))}" if DEBUG else "smtp://127.0.0.1:25"
_url = url("EMAIL_URL", _url, ("smtp", "smtp+tls", "smtp+ssl", "filemail", "consolemail"))
vars().update(env.email_url_config(_url))
if EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "outbox.smtp.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds for each step before the message's end
DEFAULT_FROM_EMAIL = email("DEFAULT_FROM_EMAIL", "noreply@example.com")


# Users

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# A login that is guessed at is locked for an hour, for the address that guesses it; after many more
# guesses, for all of them: `accounts.views.lock_by`.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(hours=1)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = "accounts.views.lock_by"
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "accounts.views.login_name"
AXES_CLIENT_IP_CALLABLE = "accounts.views.client_address"
AXES_LOCKOUT_CALLABLE = "accounts.views.too_many"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"


# Language and time

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"


# Static files, and what users upload

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA_DIR / "media"
if not DEBUG:
    # The development server serves them itself.
    MIDDLEWARE.insert(2, "whitenoise.middleware.WhiteNoiseMiddleware")
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }


# Security

if django.VERSION >= (6, 0):  # Django 5.2, which Python 3.11 gets, has no such policy
    MIDDLEWARE.insert(2, "django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
if not DEBUG:
    SECURE_SSL_REDIRECT = boolean("DJANGO_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = 30 * 24 * 60 * 60
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Subdomains and the preload list are decisions about a whole domain, not about one site.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if boolean("DJANGO_BEHIND_PROXY", default=DEBUG and bool(forwarding.CODESPACE)):
    # Only behind a proxy that always sets this header: a client could send it too.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Error reports show no addresses: they hold passwords.
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.error_reports.Filter"


# Logging: everything to standard error, where the process manager collects it.

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"axes": {"level": "WARNING"}},  # not several lines for each login
}
if DEBUG:
    # Django has a handler of its own there, so each of its lines would come twice.
    LOGGING["loggers"]["django"] = {}
