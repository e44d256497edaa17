"""The dispatcher's addresses, in both dialects."""

from __future__ import annotations

from django.urls import path

from pilot.contract import routes
from server.dispatcher import legacy, v1, workers


def at(route: str) -> str:
    return route.lstrip("/")


urlpatterns = [
    path(at(routes.GET_JOB), legacy.get_job),
    path(at(routes.UPDATE_JOB), legacy.update_job),
    path(at(routes.WORKER_STATUS), workers.update_worker_pilot_status),
    path(at(routes.RESOURCE_TYPES), legacy.get_resource_types),
    path(at(f"{routes.LEGACY_BASE}/isAlive"), legacy.is_alive),
    path(at(f"{routes.LEGACY_BASE}/<str:name>"), legacy.unknown),
    path(at(routes.ACQUIRE_JOBS), v1.acquire_jobs),
    path(at(routes.UPDATE_JOB_V1), v1.update_job),
    path(at(f"{routes.V1_BASE}/pilot/update_jobs_bulk"), v1.update_jobs_bulk),
    path(at(f"{routes.V1_BASE}/pilot/get_job_status"), v1.get_job_status),
    path(at(routes.WORKER_STATUS_V1), workers.update_worker_status),
    path(at(routes.WORKER_NODE), workers.update_worker_node),
    path(at(routes.WORKER_GPUS), workers.update_worker_node_gpu),
    path(at(routes.RESOURCE_TYPES_V1), v1.get_resource_types),
    path(at(routes.SUBMIT_JOBS), v1.submit),
    path(at(f"{routes.V1_BASE}/job/get_status"), v1.get_status),
    path(at(f"{routes.V1_BASE}/job/kill"), v1.kill),
    path(at(f"{routes.V1_BASE}/job/set_command"), v1.set_command),
    path(at(f"{routes.V1_BASE}/job/set_debug_mode"), v1.set_debug_mode),
    path(at(routes.IS_ALIVE), v1.is_alive),
]
