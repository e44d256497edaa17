"""The addresses of queue and storage data."""

from __future__ import annotations

from django.urls import path

from pilot.contract import routes
from server.pandaconfig import views

urlpatterns = [
    path(routes.QUEUE_DATA.format(queue="<str:queue>").lstrip("/"), views.queue_data),
    path(routes.QUEUE_DATA_BY_NAME.format(queue="<str:queue>").lstrip("/"), views.queue_data_by_name),
    path(routes.STORAGE_DATA.lstrip("/"), views.storage_data),
]
