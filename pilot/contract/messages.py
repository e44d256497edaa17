"""What a pilot and the server say to each other about jobs, in both dialects.

Field names and kinds are PanDA's, as captured from stock pilots and read in its public sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Optional

from pilot.contract.codec import (
    INTEGER,
    JSON_TEXT,
    MEASURE,
    NUMBER,
    OBJECT,
    STAMP,
    TEXT,
    TIME,
    TRUTH,
    WHOLE_IN_V1,
    Answer,
    ContractError,
    Dialect,
    Kind,
    pairs,
    read,
    says_something,
    tail,
    text,
    wire,
)
from pilot.contract.frozen import Frozen
from pilot.contract.job_wire import checked_lfn, checksum_from_panda
from pilot.contract.states import REPORTABLE, JobState


class Command(str, Enum):
    """What the server wants done with a job, told in its answer to an update.

    Several may come at once, with commas between them; any text with a blank is a debug command of its own
    (``ls -l``, ``tail payload.stdout``).
    """

    NONE = "NULL"
    KILL = "tobekilled"
    SOFT_KILL = "softkill"
    DEBUG = "debug"
    DEBUG_OFF = "debugoff"
    NO_CLEANUP = "nocleanup"


#: What may be looked at by a debug command, under the name of the program that shows such things to people.
LOOKS = ("tail", "ls", "ps", "du")


class StatusCode(int, Enum):
    """The integer that opens every legacy answer."""

    OK = 0
    TIMEOUT = 10
    NO_JOBS = 20
    FAILED = 30
    INVALID_TOKEN = 50
    INVALID_ROLE = 60
    PERMISSION_DENIED = 70
    KEY_MISSING = 80
    PROXY_ERROR = 90


#: The words of status 20, which stock pilots look for.
NO_JOBS_TEXT = "No jobs in PanDA"


def _read_state(value: Any) -> JobState:
    state = JobState(value)
    if state not in REPORTABLE:
        raise ValueError
    return state


STATE = Kind(
    "one of " + ", ".join(state.value for state in JobState if state in REPORTABLE),
    _read_state,
    lambda state, _: state.value,
)


class WorkRequest(Frozen):
    """A pilot asks for work. ``memory`` and ``disk`` are in PanDA's MB (2**20 bytes), times in seconds.

    ``cores`` are those that are free; they ride in a header (`routes.CORES`), ``None`` when the queue's number counts.
    """

    queue: str = wire(TEXT, "siteName", "site_name", required=True)
    label: Optional[str] = wire(TEXT, "prodSourceLabel", "prod_source_label")
    count: int = wire(INTEGER, "nJobs", "n_jobs", default=1)
    memory: Optional[float] = wire(WHOLE_IN_V1, "mem", "memory")
    disk: Optional[float] = wire(WHOLE_IN_V1, "diskSpace", "disk_space")
    node: str = wire(TEXT, "node", default="")
    computing_element: str = wire(TEXT, "computingElement", "computing_element", default="")
    remaining_time: Optional[float] = wire(NUMBER, "remaining_time")
    task_id: Optional[int] = wire(INTEGER, "taskID", "task_id")
    user: str = wire(TEXT, "prodUserID", "prod_user_id", default="")
    resource_type: str = wire(TEXT, "resourceType", "resource_type", default="")
    job_type: str = wire(TEXT, "jobType", "job_type", default="")
    scheduler_id: str = wire(TEXT, "schedulerID", "scheduler_id", default="")
    harvester_id: str = wire(TEXT, "harvester_id", default="")
    worker_id: Optional[int] = wire(INTEGER, "worker_id")
    timeout: Optional[int] = wire(INTEGER, "timeout")
    background: Optional[bool] = wire(TRUTH, "background")
    via_topic: Optional[bool] = wire(TRUTH, "viaTopic", "via_topic")
    get_proxy_key: Optional[str] = wire(TEXT, "getProxyKey", "get_proxy_key")
    # Only the legacy dialect has these.
    working_group: str = wire(TEXT, "workingGroup", "", default="")
    country_group: str = wire(TEXT, "countryGroup", "", default="")
    allow_other_country: Optional[bool] = wire(TRUTH, "allowOtherCountry", "")
    cpu_mhz: Optional[float] = wire(NUMBER, "cpu", "")
    # Neither dialect has it.
    cores: Optional[int] = wire(INTEGER, "", "")


class StoredFile(Frozen):
    """What became of one file: ``size`` in bytes, ``checksum`` as ``adler32:...``, ``url`` where it lies, or came from.

    ``direct``: an input that was not copied; no report says so.
    """

    lfn: str
    size: int
    checksum: Optional[str]
    guid: str = ""
    url: str = ""
    endpoint: str = ""
    direct: bool = False


_CHECKSUMS = (("adler32", "ad"), ("md5sum", "md"), ("md5", "md"))
_FILE_TEXTS = ("guid", "surl", "endpoint", "adler32", "md5sum", "md5")


def _read_files(value: Any) -> tuple[StoredFile, ...]:
    return tuple(_read_file(lfn, entry) for lfn, entry in OBJECT.read(value).items())


def _read_file(lfn: str, entry: Any) -> StoredFile:
    where = f"file report: {checked_lfn(lfn, 'file report')}"
    found: Mapping[str, Any] = read(entry, OBJECT, where)
    if not says_something(found.get("fsize")):
        raise ContractError(f"{where}: fsize: missing; bytes are expected", field_name="fsize")
    size = read(found["fsize"], INTEGER, f"{where}: fsize")
    if size < 0:
        raise ContractError(f"{where}: fsize: {size} is less than 0", field_name="fsize")
    said = {key: read(found[key], TEXT, f"{where}: {key}") for key in _FILE_TEXTS if says_something(found.get(key))}
    checksums = [f"{short}:{said[key]}" for key, short in _CHECKSUMS if key in said]
    return StoredFile(
        lfn=lfn,
        size=size,
        checksum=checksum_from_panda(checksums[0]) if checksums else None,
        guid=said.get("guid", ""),
        url=said.get("surl", ""),
        endpoint=said.get("endpoint", ""),
    )


def _write_files(files: tuple[StoredFile, ...], dialect: Dialect) -> Any:
    report = {}
    for file in files:
        entry: dict[str, Any] = {"guid": file.guid, "fsize": file.size, "surl": file.url}
        if file.endpoint:  # what lies in another file, such as an archive, is on no storage by itself
            entry["endpoint"] = file.endpoint
        algorithm, _, value = (file.checksum or "").partition(":")
        if value:
            entry["md5sum" if algorithm == "md5" else algorithm] = value
        report[file.lfn] = entry
    return OBJECT.write(report, dialect)


FILES = Kind("a JSON object: lfn -> {guid, fsize, adler32, surl}", _read_files, _write_files)


class JobUpdate(Frozen):
    """A pilot's report on one attempt of one job.

    Times are aware, ``cpu_time`` is seconds; memory figures are kB, totals bytes and rates bytes per second, as prmon
    gives them.
    """

    job_id: int = wire(INTEGER, "jobId", "job_id", required=True)
    state: JobState = wire(STATE, "state", "job_status", required=True)
    attempt: Optional[int] = wire(INTEGER, "attemptNr", "attempt_nr")
    queue: str = wire(TEXT, "siteName", "site_name", default="")
    node: str = wire(text(128), "node", default="")
    timestamp: Optional[datetime] = wire(STAMP, "timestamp", "")
    start_time: Optional[datetime] = wire(TIME, "startTime", "start_time")
    end_time: Optional[datetime] = wire(TIME, "endTime", "end_time")
    pilot_id: str = wire(text(200), "pilotID", "pilot_id", default="")
    batch_id: str = wire(text(80), "batchID", "batch_id", default="")
    scheduler_id: str = wire(text(128), "schedulerID", "scheduler_id", default="")
    files: Optional[tuple[StoredFile, ...]] = wire(FILES, "xml", "job_output_report")
    metadata: Optional[str] = wire(JSON_TEXT, "metaData", "meta_data")
    pilot_error: int = wire(INTEGER, "pilotErrorCode", "pilot_error_code", default=0)
    pilot_error_words: str = wire(text(500), "pilotErrorDiag", "pilot_error_diag", default="")
    payload_error: int = wire(INTEGER, "exeErrorCode", "exe_error_code", default=0)
    payload_error_words: str = wire(text(500), "exeErrorDiag", "exe_error_diag", default="")
    exit_status: Optional[int] = wire(INTEGER, "transExitCode", "trans_exit_code")
    pilot_log: Optional[str] = wire(tail(1024), "pilotLog", "pilot_log")
    pilot_timing: Optional[str] = wire(text(100), "pilotTiming", "pilot_timing")
    stdout: Optional[str] = wire(tail(2048), "stdout")
    sub_status: Optional[str] = wire(text(80), "jobSubStatus", "job_sub_status")
    metrics: Optional[str] = wire(pairs(500), "jobMetrics", "job_metrics")
    events: Optional[int] = wire(INTEGER, "nEvents", "n_events")
    input_files: Optional[int] = wire(INTEGER, "nInputFiles", "n_input_files")
    cores: Optional[int] = wire(INTEGER, "coreCount", "core_count")
    mean_cores: Optional[float] = wire(WHOLE_IN_V1, "meanCoreCount", "mean_core_count")
    cpu_time: Optional[int] = wire(MEASURE, "cpuConsumptionTime", "cpu_consumption_time")
    cpu_model: Optional[str] = wire(text(128), "cpuConsumptionUnit", "cpu_consumption_unit")
    cpu_factor: Optional[float] = wire(NUMBER, "cpuConversionFactor", "cpu_conversion_factor")
    cpu_level: Optional[str] = wire(text(20), "cpu_architecture_level")
    max_rss: Optional[int] = wire(MEASURE, "maxRSS", "max_rss")
    max_vmem: Optional[int] = wire(MEASURE, "maxVMEM", "max_vmem")
    max_swap: Optional[int] = wire(MEASURE, "maxSWAP", "max_swap")
    max_pss: Optional[int] = wire(MEASURE, "maxPSS", "max_pss")
    mean_rss: Optional[int] = wire(MEASURE, "avgRSS", "avg_rss")
    mean_vmem: Optional[int] = wire(MEASURE, "avgVMEM", "avg_vmem")
    mean_swap: Optional[int] = wire(MEASURE, "avgSWAP", "avg_swap")
    mean_pss: Optional[int] = wire(MEASURE, "avgPSS", "avg_pss")
    total_rchar: Optional[int] = wire(MEASURE, "totRCHAR", "tot_rchar")
    total_wchar: Optional[int] = wire(MEASURE, "totWCHAR", "tot_wchar")
    total_rbytes: Optional[int] = wire(MEASURE, "totRBYTES", "tot_rbytes")
    total_wbytes: Optional[int] = wire(MEASURE, "totWBYTES", "tot_wbytes")
    rate_rchar: Optional[int] = wire(MEASURE, "rateRCHAR", "rate_rchar")
    rate_wchar: Optional[int] = wire(MEASURE, "rateWCHAR", "rate_wchar")
    rate_rbytes: Optional[int] = wire(MEASURE, "rateRBYTES", "rate_rbytes")
    rate_wbytes: Optional[int] = wire(MEASURE, "rateWBYTES", "rate_wbytes")
    corrupted_files: Optional[str] = wire(TEXT, "corruptedFiles", "corrupted_files")
    grid: Optional[str] = wire(text(50), "grid")
    source_site: Optional[str] = wire(text(36), "source_site")
    destination_site: Optional[str] = wire(text(36), "destination_site")
    timeout: Optional[int] = wire(INTEGER, "timeout")
    # Ours alone: the tries to copy files, as JSON; said only to a server that has announced our contract.
    transfers: Optional[str] = wire(JSON_TEXT, "compassTransfers", "compass_transfers")


#: In ``/api/v1`` no command is ``null``; in the legacy dialect the word ``NULL`` is always there.
COMMAND = Kind(
    "text",
    TEXT.read,
    lambda command, dialect: None if dialect is Dialect.V1 and command == Command.NONE.value else command,
)


class UpdateAnswer(Frozen, Answer):
    """The server's word on a report: a command, or none.

    ``attempt`` is the one that the command is for; said only to a pilot that has announced our contract.
    """

    command: str = wire(COMMAND, "command", default=Command.NONE.value)
    attempt: Optional[int] = wire(INTEGER, "attemptNr")

    @property
    def kills(self) -> bool:
        """Whether the job is to be ended at once."""
        return Command.KILL.value in (part.strip() for part in self.command.split(","))
