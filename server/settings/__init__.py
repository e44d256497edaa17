"""Django's settings: SQLite in the server's home, loopback only, until the environment says otherwise."""

from __future__ import annotations

import secrets
from pathlib import Path

from server.settings.browsers import browser_settings
from server.settings.database import database_settings, panda_database_settings
from server.settings.environment import read_environment
from server.settings.mail import mail_settings
from server.settings.periodic import Broker, celery_settings
from server.settings.theme import UNFOLD as UNFOLD

ENVIRONMENT = read_environment()
HOME = ENVIRONMENT.folder

DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
_key_file = HOME / "secret_key"
#: Without `compass-server init` there is no key on disk; commands still run, and no session outlives the process.
_keys = _key_file.read_text().split() if _key_file.is_file() else []
SECRET_KEY = _keys[0] if _keys else secrets.token_urlsafe(48)
#: What was signed by these is still, or already, good: `compass-server secret_key` changes keys so.
SECRET_KEY_FALLBACKS = _keys[1:]

#: Our tables and pages. A new app adds its line here, and its addresses in server/urls.py.
COMPASS_APPS = [
    "server.manage",
    "server.accounts",
    "server.pandaconfig",
    "server.taskbuffer",
    "server.accounting",
    "server.dispatcher",
    "server.services",
    "server.notify",
    "server.incidents",
    "server.trail",
    "server.pilots",
    "server.uploads",
    "server.credentials",
    "server.harvester",
    "server.factory",
    "server.dataservice",
    "server.production",
    "server.monitor",
]

INSTALLED_APPS = [
    # The desk's templates before the theme's, the theme's before Django's.
    "server.desk",
    "unfold.apps.BasicAppConfig",
    "server.desk.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    *COMPASS_APPS,
]

MIDDLEWARE = [
    "server.lib.watched.Watched",
    "server.trail.middleware.Trail",
    "server.lib.straight.Straight",
    "server.accounts.browsers.Browsers",
    "django.middleware.security.SecurityMiddleware",
    "server.lib.names.Nameable",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "server.accounts.lifetimes.Lifetimes",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "server.urls"
WSGI_APPLICATION = "server.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "server.accounts.context.rights",
            ],
        },
    },
]

DATABASES = {
    "default": database_settings(
        ENVIRONMENT.database, ENVIRONMENT.database_password_file, HOME, ENVIRONMENT.database_timeout
    ),
    **panda_database_settings(
        ENVIRONMENT.panda_database, ENVIRONMENT.panda_database_password_file, ENVIRONMENT.database_timeout
    ),
}
#: Where PanDA's own tables are those of an existing PanDA.
DATABASE_ROUTERS = ["server.pandaconfig.router.PandaRouter"] if ENVIRONMENT.panda_database else []
#: Said of MariaDB alone: an index with a condition has none there; a unique text above 255 characters may be refused.
#: And that we lead nobody from http to https: the front does.
SILENCED_SYSTEM_CHECKS = ["models.W037", "mysql.W003", "security.W008"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "server.settings.formats"
#: Times are UTC, and read the same everywhere.
DATETIME_FORMAT, DATE_FORMAT, TIME_FORMAT = "Y-m-d H:i:s", "Y-m-d", "H:i:s"

STATIC_URL = "/static/"
#: Static files are served from the packages themselves: nothing has to be collected.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTHENTICATION_BACKENDS = ["server.accounts.passwords.LimitedBackend", "server.accounts.rights.Rights"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
SECURE_REFERRER_POLICY = "same-origin"
globals().update(browser_settings(ENVIRONMENT))

#: The dispatcher looks at the size itself, before it reads; this is Django's own limit for everything else.
DATA_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.body_limit

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "server.lib.logs.Json" if ENVIRONMENT.log_json else "server.lib.logs.Line"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {"django": {"handlers": [], "level": ENVIRONMENT.log_level, "propagate": True}},
}

#: What the factory starts pilots with.
PILOT_SERVER_URL = ENVIRONMENT.url
PILOT_BUNDLE = Path(ENVIRONMENT.bundle).absolute() if ENVIRONMENT.bundle else None
PILOT_WRAPPER = Path(ENVIRONMENT.wrapper or Path(__file__).parents[2] / "wrappers" / "pilot-wrapper.sh").absolute()

#: What jobs are signed with when they are submitted.
SIGNING_KEY = Path(ENVIRONMENT.signing_key).expanduser().absolute() if ENVIRONMENT.signing_key else None

globals().update(
    celery_settings(
        Broker(
            ENVIRONMENT.broker,
            ENVIRONMENT.broker_password_file,
            ENVIRONMENT.broker_ca_file,
            ENVIRONMENT.broker_certificate,
            ENVIRONMENT.broker_key,
        ),
        HOME,
    )
)
globals().update(mail_settings(ENVIRONMENT))
