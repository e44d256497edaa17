"""The addresses of queue and storage data."""

from __future__ import annotations

from django.urls import path

from pilot.contract import routes
from server.pandaconfig import config_views, views

urlpatterns = [
    path(routes.QUEUE_DATA.format(queue="<str:queue>").lstrip("/"), views.queue_data),
    path(routes.QUEUE_DATA_BY_NAME.format(queue="<str:queue>").lstrip("/"), views.queue_data_by_name),
    path(routes.STORAGE_DATA.lstrip("/"), views.storage_data),
    path("api/v1/config/get_rows", config_views.get_rows),
    path("api/v1/config/get_row", config_views.get_row),
    path("api/v1/config/write_row", config_views.write_row),
    path("api/v1/config/delete_row", config_views.delete_row),
    path("api/v1/config/set_status", config_views.set_status),
    path("api/v1/config/undo", config_views.undo),
    path("api/v1/config/import_rows", config_views.import_rows),
]
