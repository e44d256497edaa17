"""Event ranges of a stand-in dispatcher, over real HTTP, in both dialects, with the shapes of a PanDA server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

from tests.pilot.dispatcher import Dispatcher

ASK, ASK_LEGACY = "/api/v1/event/acquire_event_ranges", "/server/panda/getEventRanges"
GET_JOB, UPDATE_JOB = "/server/panda/getJob", "/server/panda/updateJob"
TELL, TELL_LEGACY = "/api/v1/event/update_event_ranges", "/server/panda/updateEventRanges"


def described(number: int, job: int = 7) -> dict[str, Any]:
    """Describe a range as PanDA's server does; its name is task-job-file-number-attempt."""
    return {
        "eventRangeID": f"1-{job}-2-{number}-3",
        "startEvent": 10 * number + 1,
        "lastEvent": 10 * number + 10,
        "LFN": "in.root",
        "GUID": "ABC",
        "scope": "mc",
    }


class Ranges:
    """Hands out ranges, each once, and hears how they end. ``dialect``: the only one that is known here, if named."""

    def __init__(self, dispatcher: Dispatcher, count: int, job: int = 7, dialect: str = "") -> None:
        self.dispatcher, self.dialect = dispatcher, dialect
        self.left = [described(number, job) for number in range(count)]
        self.given: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[dict[str, Any]]] = {}  # by request id, as a server of ours remembers them
        self.asked: list[dict[str, Any]] = []
        self.told: list[tuple[int, list[dict[str, Any]]]] = []  # (version, what was told)
        self.ends: dict[str, list[str]] = {}
        self.unwanted: set[str] = set()
        self.command: str | None = None
        self._answer, dispatcher._answer = dispatcher._answer, self.answer

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        known = {"v1": ("/api",), "legacy": ("/server",), "": ("/api", "/server")}[self.dialect]
        if path.startswith(("/api", "/server")) and not path.startswith(known):
            return 404, b"no such page"
        if path in (ASK_LEGACY, TELL_LEGACY):
            said = json.loads(gzip.decompress(body))
            if path == ASK_LEGACY:
                found = self.give(said["pandaID"], said["nRanges"], headers)
                return 200, json.dumps({"StatusCode": 0, "eventRanges": json.dumps(found)}).encode()
            returns, commands = self.hear(int(said["version"]), json.loads(said["eventRanges"]))
            return 200, json.dumps({"StatusCode": 0, "Returns": returns, "Command": commands}).encode()
        if path == GET_JOB:
            return self.job(json.loads(gzip.decompress(body)), headers)
        if path == UPDATE_JOB:
            return self.update(json.loads(gzip.decompress(body)))
        if path == ASK:
            said = json.loads(body)
            assert set(said) <= {"job_id", "jobset_id", "task_id", "n_ranges"}, "PanDA refuses what it does not know"
            return 200, json.dumps(
                {"success": True, "message": "", "data": self.give(said["job_id"], said["n_ranges"], headers)}
            ).encode()
        if path == TELL:
            said = json.loads(body)
            assert set(said) == {"event_ranges", "version"}
            returns, commands = self.hear(said["version"], json.loads(said["event_ranges"]))
            data = {"Returns": returns, "Commands": commands}
            return 200, json.dumps({"success": True, "message": "", "data": data}).encode()
        return self._answer(path, body, headers)

    def job(self, asked: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, bytes]:
        said = self.dispatcher._acquire({"n_jobs": 1, **asked}, headers["X-Compass-Request-Id"])
        if not said["success"]:
            return 200, json.dumps({"StatusCode": 20, "errorDialog": "No jobs in PanDA"}).encode()
        return 200, json.dumps({"StatusCode": 0, **said["data"]["jobs"][0]}).encode()

    def update(self, said: Mapping[str, Any]) -> tuple[int, bytes]:
        names = {"jobId": "job_id", "state": "job_status", "jobMetrics": "job_metrics", "nEvents": "n_events"}
        told = {names.get(name, name): value for name, value in said.items()}
        told["job_id"] = int(told["job_id"])
        answer = self.dispatcher._update(told)
        return 200, json.dumps(answer["data"]).encode()

    def give(self, job: int, count: int, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        with self.dispatcher.changed:
            self.asked.append({"job": job, "count": count, "id": headers["X-Compass-Request-Id"]})
            again = self.answers.get(headers["X-Compass-Request-Id"]) if self.dispatcher.announces else None
            if again is not None:
                return again
            found, self.left = self.left[:count], self.left[count:]
            self.given.update({one["eventRangeID"]: one for one in found})
            self.answers[headers["X-Compass-Request-Id"]] = found
            return found

    def hear(self, version: int, told: list[dict[str, Any]]) -> tuple[Any, Any]:
        with self.dispatcher.changed:
            self.told.append((version, told))
            ends = told if version == 0 else [end for chunk in told for end in chunk["eventRanges"]]
            returns = []
            for end in ends:
                known = end["eventRangeID"] in self.given and end["eventRangeID"] not in self.unwanted
                returns.append(known)
                if known:
                    self.ends.setdefault(end["eventRangeID"], []).append(end["eventStatus"])
            job = ends[0]["eventRangeID"].split("-")[1]
            commands = {job: self.command}
            return (returns, commands) if version else (json.dumps(returns), json.dumps(commands))

    @property
    def finished(self) -> list[str]:
        """Answer the ranges of which it was told that they finished, in order."""
        return sorted(name for name, ends in self.ends.items() if ends[0] == "finished")

    @property
    def failed(self) -> list[str]:
        """Answer those that failed."""
        return sorted(name for name, ends in self.ends.items() if ends[0] != "finished")

    def archives(self) -> list[dict[str, Any]]:
        """Answer what was told of archives, each once."""
        said = {chunk["zipFile"]["lfn"]: chunk["zipFile"] for version, told in self.told if version for chunk in told}
        return list(said.values())
