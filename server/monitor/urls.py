"""The addresses of the pages, and of what clients ask about the whole system."""

from __future__ import annotations

from django.urls import path

from server.monitor import views

urlpatterns = [
    path("", views.show_overview, name="overview"),
    path("tasks/<str:name>", views.show_task, name="task"),
    path("api/v1/system/get_status", views.get_status),
    path("api/v1/job/get_description", views.get_description),
    path("api/v1/job/get_log", views.get_log),
    path("api/v1/job/get_shown", views.get_shown),
]
