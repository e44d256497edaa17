"""The addresses of a person's own notifications."""

from __future__ import annotations

from django.urls import path

from server.notify import views

urlpatterns = [
    path("notifications", views.show_channels, name="notifications"),
    path("notifications/new", views.edit_channel, name="new-channel"),
    path("notifications/<int:number>", views.edit_channel, name="channel"),
    path("notifications/<int:number>/trial", views.try_channel, name="try-channel"),
    path("notifications/<int:number>/delete", views.delete_channel, name="delete-channel"),
]
