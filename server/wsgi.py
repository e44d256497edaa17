"""The WSGI application that a web server loads."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
application = get_wsgi_application()

# What the server's own processes write down of themselves; commands and tests do without.
from server.incidents.handler import install  # noqa: E402 (the apps have to be there)
from server.trail.logic import LATER  # noqa: E402

install()
LATER.start()
