"""Every address of the server: each app's own list, in one place."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("server.manage.urls")),
    path("", include("server.accounts.urls")),
    path("", include("server.dispatcher.urls")),
    path("", include("server.pandaconfig.urls")),
    path("", include("server.uploads.urls")),
    path("", include("server.transforms.urls")),
    path("", include("server.dataservice.urls")),
    path("", include("server.harvester.urls")),
    path("", include("server.taskbuffer.urls")),
    path("", include("server.production.urls")),
    path("", include("server.factory.urls")),
    path("", include("server.notify.urls")),
    path("", include("server.monitor.urls")),
]

handler400 = "server.lib.http.bad_request"
handler404 = "server.lib.http.not_found"
handler500 = "server.lib.http.broken"
