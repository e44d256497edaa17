"""The dispatcher's addresses, in both dialects."""

from __future__ import annotations

from django.urls import URLPattern, path

from pilot.contract import routes
from server.dispatcher import (
    credentials,
    files,
    harvesters,
    jobs,
    legacy,
    legacy_jobs,
    legacy_users,
    openapi,
    pilots,
    pilots_explained,
    storage_requests,
    system,
    tasks,
    workers,
)
from server.lib.arguments import View


def at(route: str) -> str:
    return route.lstrip("/")


def methods(module: str, *views: View) -> list[URLPattern]:
    """Answer the addresses of methods of ``/api/v1``; each is called as its function is."""
    return [path(at(f"{routes.V1_BASE}/{module}/{view.__name__}"), view) for view in views]


urlpatterns = [
    # What pilots call most is looked at first.
    path(at(routes.UPDATE_JOB), legacy.update_job),
    path(at(routes.GET_JOB), legacy.get_job),
    path(at(routes.UPDATE_JOB_V1), pilots.update_job),
    path(at(routes.ACQUIRE_JOBS), pilots.acquire_jobs),
    path(at(routes.WORKER_STATUS), workers.update_worker_pilot_status),
    path(at(routes.RESOURCE_TYPES), legacy.get_resource_types),
    path(at(f"{routes.LEGACY_BASE}/isAlive"), legacy.is_alive),
    path(at(f"{routes.LEGACY_BASE}/getStatus"), legacy_jobs.get_status),
    path(at(f"{routes.LEGACY_BASE}/updateJobsInBulk"), legacy_jobs.update_jobs_in_bulk),
    path(at(f"{routes.LEGACY_BASE}/setDebugMode"), legacy_jobs.set_debug_mode),
    path(at(f"{routes.LEGACY_BASE}/submitJobs"), legacy_jobs.submit_jobs),
    path(at(f"{routes.LEGACY_BASE}/getJobStatus"), legacy_jobs.get_job_status),
    path(at(f"{routes.LEGACY_BASE}/getFullJobStatus"), legacy_jobs.get_job_status),
    path(at(f"{routes.LEGACY_BASE}/killJobs"), legacy_jobs.kill_jobs),
    path(at(f"{routes.LEGACY_BASE}/getAttr"), legacy_users.get_attr),
    path(at(f"{routes.LEGACY_BASE}/putFile"), files.put_file),
    path(at(routes.NEW_PROXY), legacy_users.get_proxy),
    path(at(routes.KEY_PAIR), legacy_users.get_key_pair),
    path(at(routes.NEW_TOKEN), legacy_users.get_access_token),
    path(at(f"{routes.LEGACY_BASE}/get_token_key"), legacy_users.get_token_key),
    path(at(f"{routes.LEGACY_BASE}/<str:name>"), legacy.unknown),
    *methods("pilot", pilots.update_jobs_bulk, pilots.get_job_status),
    *methods("pilot", pilots_explained.explain),
    *methods("pilot", workers.update_worker_status, workers.update_worker_node, workers.update_worker_node_gpu),
    *methods("job", jobs.submit, jobs.get_status, jobs.explain, jobs.kill, jobs.set_command, jobs.set_debug_mode),
    *methods("file_server", files.upload_cache_file, files.validate_cache_file),
    *methods("data", storage_requests.list_requests, storage_requests.get_request),
    *methods("data", storage_requests.release_request, storage_requests.try_request_again),
    *methods("data", storage_requests.give_request_up),
    *methods("harvester", harvesters.heartbeat, harvesters.update_workers, harvesters.get_current_worker_id),
    *methods("harvester", harvesters.report_worker_statistics, harvesters.get_worker_statistics),
    *methods("harvester", harvesters.acquire_commands, harvesters.acknowledge_commands),
    *methods("harvester", harvesters.add_sweep_command, harvesters.add_dialogs, harvesters.update_service_metrics),
    *methods("harvester", harvesters.add_target_slots, harvesters.add_command),
    *methods("task", tasks.submit, tasks.get_status, tasks.get_details, tasks.get_job_ids),
    *methods("task", tasks.kill, tasks.finish, tasks.pause, tasks.resume, tasks.retry),
    *methods("creds", credentials.get_proxy, credentials.get_key_pair),
    *methods("creds", credentials.get_access_token, credentials.get_token_key),
    *methods("creds", credentials.set_user_secrets, credentials.get_user_secrets),
    *methods("statistics", system.active_job_stats_by_site, system.active_job_detailed_stats_by_site),
    *methods("metaconfig", system.get_resource_types),
    path(at(f"{routes.V1_BASE}/openapi.json"), openapi.openapi),
    *methods("system", system.is_alive, system.get_attributes),
]
