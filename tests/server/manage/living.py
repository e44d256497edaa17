"""A pilot that takes job after job until there are none; each request and each report it may make twice.

``python -m tests.server.manage.living PORT SEED`` reads a token, and writes each attempt that it is given.
"""

from __future__ import annotations

import random
import sys
import uuid

from tests.server.manage.running import Peer

ACQUIRE, UPDATE = "/api/v1/pilot/acquire_jobs", "/api/v1/pilot/update_job"


def live(port: int, secret: str, number: int) -> None:
    """Be a pilot until there is no more work: each request may be sent twice, each report as well."""
    peer, dice = Peer(port, secret), random.Random(number)
    while True:
        named = {"X-Compass-Request-Id": uuid.uuid4().hex}
        answers = [
            peer.call("POST", ACQUIRE, {"site_name": "LOCAL", "node": f"wn{number}"}, **named)
            for _ in range(dice.choice([1, 2]))
        ]
        # What was given is given again; where nothing was, another pilot may have brought something back meanwhile.
        given = [answer for answer in answers if answer["success"]]
        if not given:
            break
        assert given[-1] is answers[-1]
        assert all(answer == given[0] for answer in given)
        (job,) = given[0]["data"]["jobs"]
        print(f"{job['PandaID']} {job['attemptNr']}", flush=True)
        run(peer, dice, job)


def run(peer: Peer, dice: random.Random, job: dict) -> None:
    plain = {"job_id": job["PandaID"], "attempt_nr": job["attemptNr"]}
    files = {name: {"fsize": 1, "adler32": "0000000a"} for name in job["outFiles"].split(",")}
    reports = [{"job_status": "starting"}, {"job_status": "running"}, {"job_status": "running"}]
    fails = dice.random() < 0.2
    reports.append(
        {"job_status": "failed", "pilot_error_code": 1099}
        if fails
        else {"job_status": "finished", "job_output_report": files}
    )
    for report in reports:
        for _ in range(dice.choice([1, 1, 2])):
            answer = peer.call("POST", UPDATE, {**plain, **report})
            assert answer["data"]["command"] is None, answer


if __name__ == "__main__":
    live(int(sys.argv[1]), sys.stdin.readline().strip(), int(sys.argv[2]))
