from __future__ import annotations

from pilot.contract import routes


def test_the_addresses_are_pandas():
    assert (routes.GET_JOB, routes.UPDATE_JOB) == ("/server/panda/getJob", "/server/panda/updateJob")
    assert routes.ACQUIRE_JOBS == "/api/v1/pilot/acquire_jobs"
    assert routes.UPDATE_JOB_V1 == "/api/v1/pilot/update_job"
    assert (routes.SUBMIT_JOBS, routes.IS_ALIVE) == ("/api/v1/job/submit", "/api/v1/system/is_alive")
    assert routes.QUEUE_DATA.format(queue="Q") == "/cache/schedconfig/Q.all.json"
    assert routes.STORAGE_DATA == "/cache/ddmendpoints.json"


def test_our_additions_ride_in_headers_of_our_own():
    headers = {routes.REQUEST_ID, routes.CONTRACT_HEADER, routes.PROGRESS, routes.TRACE}
    assert len(headers) == 4
    assert all(header.startswith("X-Compass-") for header in headers)
