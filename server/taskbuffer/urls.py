"""The addresses of the task buffer's own calls."""

from __future__ import annotations

from django.urls import path

from server.taskbuffer import views

urlpatterns = [
    path("api/v1/job/reset", views.reset_jobs),
    path("api/v1/job/undo_reset", views.undo_reset),
]
