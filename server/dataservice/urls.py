"""The addresses of the pages that act on requests to storages."""

from __future__ import annotations

from django.urls import path

from server.dataservice import views

urlpatterns = [path("data/requests/<int:number>/<str:act>", views.act_on_request, name="act-on-request")]
