"""The addresses of the pages, and of what clients ask about the whole system."""

from __future__ import annotations

from django.urls import path

from server.monitor import (
    brokerage_views,
    data_views,
    factory_views,
    failure_views,
    harvester_views,
    pilot_calls,
    pilot_views,
    production_views,
    retries,
    summary_views,
    usage_views,
    views,
)

urlpatterns = [
    path("", views.show_overview, name="overview"),
    path("tasks", production_views.show_tasks, name="tasks"),
    path("tasks/<str:name>/groups", production_views.show_groups, name="groups"),
    path("tasks/<str:name>", production_views.show_task, name="task"),
    path("tasks/<str:name>/runs/<int:number>", production_views.show_run, name="run"),
    path("jobs/<int:number>", data_views.show_job, name="job"),
    path("jobs/<int:number>/queues", brokerage_views.show_explanation, name="job-queues"),
    path("queues/<str:queue>/pilots", brokerage_views.show_pilots_jobs, name="pilots-jobs"),
    path("pilots", pilot_views.show_pilots, name="pilots"),
    path("pilots/nodes", pilot_views.show_nodes, name="nodes"),
    path("pilots/<int:number>", pilot_views.show_pilot, name="pilot"),
    path("pilots/<int:number>/log/<str:name>", pilot_views.show_pilot_log, name="pilot-log"),
    path("factory", factory_views.show_factory, name="factory"),
    path("factory/<str:queue>", factory_views.show_factory_queue, name="factory-queue"),
    path("harvester", harvester_views.show_harvesters, name="harvester"),
    path("harvester/workers", harvester_views.show_workers, name="workers"),
    path("harvester/workers/<str:harvester>/<int:number>", harvester_views.show_worker, name="worker"),
    path("data/", data_views.show_data, name="data"),
    path("data/requests/<int:number>", data_views.show_request, name="request"),
    path("data/datasets/<int:number>", data_views.show_dataset, name="dataset"),
    path("production/failures", failure_views.show_failures, name="failures"),
    path("production/summary", summary_views.show_summary, name="production-summary"),
    path("usage", usage_views.show_usage, name="usage"),
    path("api/v1/statistics/get_usage", usage_views.get_usage),
    path("api/v1/pilot/get_pilots", pilot_calls.get_pilots),
    path("api/v1/pilot/get_pilot", pilot_calls.get_pilot),
    path("api/v1/pilot/get_pilot_log", pilot_calls.get_pilot_log),
    path("api/v1/pilot/get_nodes", pilot_calls.get_nodes),
    path("api/v1/harvester/get_instances", harvester_views.get_instances),
    path("api/v1/harvester/get_workers", harvester_views.get_workers),
    path("api/v1/system/get_status", views.get_status),
    path("api/v1/job/get_description", views.get_description),
    path("api/v1/job/get_description_incl_archive", views.get_description),
    path("api/v1/job/get_log", views.get_log),
    path("api/v1/job/preview_retry_rules", retries.preview_retry_rules),
    path("api/v1/job/get_shown", views.get_shown),
]
