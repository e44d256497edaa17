"""The addresses of the two dialects and the headers in which our additions ride."""

from __future__ import annotations

LEGACY_BASE = "/server/panda"
V1_BASE = "/api/v1"

GET_JOB = f"{LEGACY_BASE}/getJob"
UPDATE_JOB = f"{LEGACY_BASE}/updateJob"
ACQUIRE_JOBS = f"{V1_BASE}/pilot/acquire_jobs"
UPDATE_JOB_V1 = f"{V1_BASE}/pilot/update_job"
SUBMIT_JOBS = f"{V1_BASE}/job/submit"
IS_ALIVE = f"{V1_BASE}/system/is_alive"

#: New credentials for a pilot: PanDA's addresses in both dialects.
NEW_PROXY, NEW_PROXY_V1 = f"{LEGACY_BASE}/getProxy", f"{V1_BASE}/creds/get_proxy"
KEY_PAIR, KEY_PAIR_V1 = f"{LEGACY_BASE}/getKeyPair", f"{V1_BASE}/creds/get_key_pair"
NEW_TOKEN, NEW_TOKEN_V1 = f"{LEGACY_BASE}/get_access_token", f"{V1_BASE}/creds/get_access_token"

#: The pass that follows a pilot's own, of a server of our kind, and what each pass begins with.
NEW_PASS, PASS_MARK = f"{V1_BASE}/accounts/renew_pass", "cpp_"

#: What jobs of each resource type may take.
RESOURCE_TYPES, RESOURCE_TYPES_V1 = f"{LEGACY_BASE}/getResourceTypes", f"{V1_BASE}/metaconfig/get_resource_types"

#: What a worker's pilot says of itself; of its node it speaks in /api/v1 only.
WORKER_STATUS, WORKER_STATUS_V1 = f"{LEGACY_BASE}/updateWorkerPilotStatus", f"{V1_BASE}/pilot/update_worker_status"
WORKER_NODE, WORKER_GPUS = f"{V1_BASE}/pilot/update_worker_node", f"{V1_BASE}/pilot/update_worker_node_gpu"

#: Event ranges: asked for, and reported.
EVENT_RANGES, EVENT_RANGES_V1 = f"{LEGACY_BASE}/getEventRanges", f"{V1_BASE}/event/acquire_event_ranges"
EVENT_UPDATES, EVENT_UPDATES_V1 = f"{LEGACY_BASE}/updateEventRanges", f"{V1_BASE}/event/update_event_ranges"

#: ``{queue}`` is the queue's name.
QUEUE_DATA = "/cache/schedconfig/{queue}.all.json"
#: The same by the queue's name, as CRIC answers: where stock pilots look a second time.
QUEUE_DATA_BY_NAME = "/cache/schedconfig/{queue}.json"
STORAGE_DATA = "/cache/ddmendpoints.json"

#: A name, never used twice, of one request for work: asked again under it, the same jobs are given again.
REQUEST_ID = "X-Compass-Request-Id"
#: Sent by both sides: the highest contract number that the sender speaks.
CONTRACT_HEADER = "X-Compass-Contract"
#: The cores that a pilot has free, in a request for work; without it the queue's core count is meant.
CORES = "X-Compass-Cores"
#: Events done and events ordered of a running job, ``done/total``; ``total`` may be ``?``.
PROGRESS = "X-Compass-Progress"
#: The command, such as ``tail payload.stdout``, that the text in a report's ``stdout`` answers; in percent-encoding.
SHOWN = "X-Compass-Shown"
#: What all calls of a pilot have in common, and each its own: W3C's trace context, ``00-<32 digits>-<16 digits>-01``.
TRACE = "X-Compass-Trace"
