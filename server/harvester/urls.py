"""The address of the page on which commands are given to Harvesters."""

from __future__ import annotations

from django.urls import path

from server.harvester import views

urlpatterns = [path("harvester/order", views.order_command, name="order-command")]
