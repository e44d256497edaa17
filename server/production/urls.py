"""The addresses of the production's interface for clients."""

from __future__ import annotations

from django.urls import path

from server.production import (
    cleaning_views,
    draft_views,
    dry_run_views,
    page_views,
    steering_views,
    views,
    wizard_views,
)
from server.production.cleanup import views as cleanup_views
from server.production.reference import views as reference_views

urlpatterns = [
    path("api/v1/production/define_task", views.define_task),
    path("api/v1/production/move_task", views.move_task),
    path("api/v1/production/get_task", views.get_task),
    path("api/v1/production/list_tasks", views.list_tasks),
    path("api/v1/production/list_sites", reference_views.list_sites),
    path("api/v1/production/list_types", reference_views.list_types),
    path("api/v1/production/list_templates", reference_views.list_templates),
    path("api/v1/production/list_releases", reference_views.list_releases),
    path("api/v1/production/explain_task", views.explain_task),
    path("api/v1/production/accept_check", views.accept_check),
    path("api/v1/production/check_again", views.check_again),
    path("api/v1/production/resend", views.resend),
    path("api/v1/production/undo_resend", views.undo_resend),
    path("api/v1/production/list_resends", views.list_resends),
    path("api/v1/production/change_task", views.change_task),
    path("api/v1/production/clean_task", cleanup_views.clean_task),
    path("api/v1/production/keep_task", cleanup_views.keep_task),
    path("api/v1/production/dry_run", dry_run_views.dry_run),
    path("api/v1/production/redefine_task", dry_run_views.redefine_task),
    path("tasks/steer", steering_views.steer, name="steer"),
    path("tasks/new", wizard_views.new_task, name="new-task"),
    path("tasks/new/check", wizard_views.check_form, name="check-task"),
    path("tasks/<str:name>/define", wizard_views.change_draft, name="redefine-task"),
    path("tasks/<str:name>/dry-run", draft_views.show_dry_run, name="dry-run"),
    path("tasks/<str:name>/clean", cleaning_views.show_cleaning, name="clean-task"),
    path("tasks/<str:name>/resend", views.show_resend, name="resend"),
    path("tasks/<str:name>/runs/<int:number>/checks/<str:kind>", page_views.settle_check, name="settle-check"),
]
