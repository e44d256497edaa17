"""A provider made of django-oauth-toolkit: `python -m tests.services.toolkit_site FOLDER`, a process of its own.

``FOLDER/site.json`` names all that it is: port, certificate, key, redirect, client, secret, person, the seconds of a
token. ``FOLDER/claims.json`` is read at each login: what the id_token and the page of userinfo say besides.
"""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

LOGIN = '<form method="post">{% csrf_token %}{{ form }}<button>Log in</button></form>'


def configure(folder: Path, said: dict) -> None:
    (folder / "registration").mkdir(exist_ok=True)
    (folder / "registration" / "login.html").write_text(LOGIN)
    context = ["auth.context_processors.auth", "template.context_processors.request"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[*(f"django.contrib.{one}" for one in ("auth", "contenttypes", "sessions")), "oauth2_provider"],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", *(f"django.contrib.{one}" for one in middleware)],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [folder],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.contrib." + context[0], "django." + context[1]]},
            }
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"https://localhost:{said['port']}/o",
            "OIDC_RSA_PRIVATE_KEY": (folder / said["key"]).read_text(),
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.validator",
            "ID_TOKEN_EXPIRE_SECONDS": said["seconds"],
            "SCOPES": {one: one for one in ("openid", "profile", "email")},
        },
    )


class _Site(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *words: object) -> None:
        """Be silent."""


def __getattr__(name: str):
    """Make what Django asks this module for once it is set up."""
    if name == "urlpatterns":
        from django.contrib.auth.views import LoginView
        from django.urls import include, path

        return [path("o/", include("oauth2_provider.urls")), path("accounts/login/", LoginView.as_view())]
    if name != "validator":
        raise AttributeError(name)
    from oauth2_provider.oauth2_validators import OAuth2Validator

    folder = Path(settings.TEMPLATES[0]["DIRS"][0])

    class Validator(OAuth2Validator):
        oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "profile"}

        def _more(self, where):
            return json.loads((folder / "claims.json").read_text()).get(where, {})

        def get_additional_claims(self, request):
            groups = [group.name for group in request.user.groups.all()]
            return {"preferred_username": request.user.username, "groups": groups}

        def get_id_token_dictionary(self, token, token_handler, request):
            claims, ends = super().get_id_token_dictionary(token, token_handler, request)
            return {**claims, **self._more("id_token")}, ends

        def get_userinfo_claims(self, request):
            return {**super().get_userinfo_claims(request), **self._more("userinfo")}

    return Validator


def main(folder: Path) -> None:
    said = json.loads((folder / "site.json").read_text())
    sys.modules["tests.services.toolkit_site"] = sys.modules[__name__]
    globals()["__name__"] = "tests.services.toolkit_site"
    configure(folder, said)
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_user(said["person"], password=said["password"])
        Application.objects.create(
            client_id=said["client"],
            client_secret=said["secret"],
            client_type="confidential",
            authorization_grant_type="authorization-code",
            redirect_uris=said["redirect"],
            algorithm="RS256",
            name="COMPASS Pilot",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(said["certificate"])
    with make_server("127.0.0.1", said["port"], get_wsgi_application(), _Site, _Silent) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
        print("ready", flush=True)
        site.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
