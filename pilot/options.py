"""The options of the command line: Pilot 2's and pilot3's long names for them, each a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from pilot.contract.named import NamedTuple

if TYPE_CHECKING:
    from pilot.settings import Layer

ORIGIN = "command line"


class Unfit(ValueError):
    """The text of an option is not what is expected; says so in words."""


def truth(text: str) -> bool:
    """Read a truth value; raises `Unfit`."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise Unfit(f"{text!r} is not true or false") from None


def untruth(text: str) -> bool:
    """Read a truth value, and answer the contrary; raises `Unfit`."""
    return not truth(text)


def listed(text: str) -> tuple[str, ...]:
    """Read words between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


#: What ``-w`` may say, and what it means for ``job.workflow``.
WORKFLOWS = {
    **dict.fromkeys(("generic", "production", "analysis"), "generic"),
    **dict.fromkeys(("generic_hpc", "production_hpc", "analysis_hpc"), "hpc"),
    "stager": "stager",
}
#: Workflows of PanDA's pilot that are something else here, and what.
_ELSEWHERE = {
    "payload_stageout": "a pilot that only stores outputs is not known to PanDA either; use stager",
    "eventservice_hpc": "jobs say themselves that they work on event ranges, and run on this node; use generic",
}


def workflow(text: str) -> str:
    """Read the name of a workflow; raises `Unfit`."""
    if text not in WORKFLOWS:
        raise Unfit(f"{text!r} is none: " + _ELSEWHERE.get(text, f"there are {', '.join(WORKFLOWS)}"))
    return WORKFLOWS[text]


def preempted(text: str) -> tuple[str, ...]:
    """Read whether the pilot runs in a pod: Kubernetes takes those back by SIGTERM. Raises `Unfit`."""
    return ("SIGTERM",) if truth(text) else ()


def hpc_mode(text: str) -> str:
    """Read how payloads share allocations; the one way that PanDA knows, manytoone, gathers always."""
    return "always" if text == "manytoone" else text


def without_key(text: str) -> str:
    """Read that no token is to be renewed, whatever key the environment names; raises `Unfit`."""
    if not truth(text):
        raise Unfit("tokens are renewed where there is a key, unless this option is given")
    return ""


#: Options of these types may stand without a value, and then mean true.
FLAGS = (truth, untruth, preempted, without_key)

#: (options, section, key, type): what sets a setting. Its help is the setting's.
SETTING_OPTIONS: tuple[tuple[tuple[str, ...], str, str, Any], ...] = (
    (("-q", "--queue"), "queue", "name", str),
    (("-j", "--joblabel"), "queue", "label", str),
    (("--url",), "server", "url", str),
    (("-p", "--port"), "server", "port", int),
    (("--dialect",), "server", "dialect", str),
    (("--token-file",), "server", "token_file", str),
    (("--cacert",), "server", "certificate", str),
    (("--capath",), "server", "authorities", str),
    (("-z", "--noserverupdate"), "server", "updates", untruth),
    (("--queuedata-url",), "queue", "data_url", str),
    (("--storagedata-url",), "queue", "storage_url", str),
    (("--workinggroup", "--working-group"), "queue", "working_group", str),
    (("--countrygroup", "--country-group"), "queue", "country_group", str),
    (("--allowothercountry", "--allow-other-country"), "queue", "allow_other_country", truth),
    (("--allowsameuser", "--allow-same-user"), "queue", "same_task", truth),
    (("--job-type",), "queue", "job_type", str),
    (("--resource-type",), "queue", "resource_type", str),
    (("-w", "--workflow"), "job", "workflow", workflow),
    (("-a", "--workdir"), "job", "workdir", str),
    (("--job-file",), "job", "file", str),
    (("-g", "--baseurls"), "verify", "transformation_urls", listed),
    (("-l", "--lifetime"), "job", "lifetime", float),
    (("-L", "--leasetime"), "job", "lease", float),
    (("-v", "--getjobrequests"), "job", "requests", int),
    (("-x", "--getjobfailures"), "job", "failures", int),
    (("--cleanup",), "job", "keep_workdir", untruth),
    (("--heartbeat",), "monitor", "heartbeat", float),
    (("--stageout-attempts",), "copy", "attempts", int),
    (("--pilotuser", "--pilot-user"), "plugins", "user", str),
    (("--hpc-resource",), "hpc", "resource", str),
    (("--hpc-mode",), "hpc", "mode", hpc_mode),
    (("--harvester-workdir",), "harvester", "workdir", str),
    (("--harvester-datadir",), "harvester", "datadir", str),
    (("--harvester-workerattributes",), "harvester", "worker_attributes", str),
    (("--harvester-eventstatusdump",), "harvester", "event_status_dump", str),
    (("--harvester-submit-mode",), "harvester", "submit_mode", str.upper),
    (("-k", "--noworkerpilotstatusupdate"), "harvester", "status", untruth),
    (("--use-realtime-logging",), "realtime", "use", truth),
    (("--realtime-logging-server",), "realtime", "server", str),
    (("--realtime-logname",), "realtime", "name", str),
    (("--subscribe-to-msgsvc",), "broker", "subscribe", truth),
    (("--es-executor-type",), "events", "executor", str),
    (("-y", "--notokenrenewal"), "credentials", "token_key_file", without_key),
    (("--pod",), "stop", "preemption", preempted),
    (("--use-rucio-traces",), "rucio", "send_traces", truth),
    (("--rucio-host",), "rucio", "host", str),
    (("-d", "--debug"), "log", "debug", truth),
)

#: (options, takes a value, why it does nothing): taken so that existing wrappers and factories work unchanged.
OBSOLETE: tuple[tuple[tuple[str, ...], bool, str], ...] = (
    (("-r", "--resource"), True, "the queue (-q) says it"),
    (("-s", "--site"), True, "the queue (-q) says it"),
    (("-i", "--versiontag"), True, "there is one version; the wrapper chooses which"),
    (("-t", "--noproxyverification"), False, "the server judges the identity"),
    (("-u", "--verifypayloadproxy"), False, "payloads get no proxy"),
    (("-b", "--nocvmfs"), False, "plugins look for what they need"),
    (("--use-https",), True, "the address (--url) says it"),
    (("--no-pilot-log",), False, "the log is a file in the pilot's folder, and nowhere else"),
    (("--redirect-stdout",), True, "the pilot prints nothing but its last line"),
)


class Given(NamedTuple):
    """A command line: the values of settings by section and key, and what is no setting.

    ``obsolete`` has a line for each option that does nothing any more.
    """

    values: Mapping[tuple[str, str], Any]
    config: Optional[str] = None
    obsolete: Sequence[str] = ()


def without_effect(option: str, why: str) -> str:
    """Say that an option does nothing."""
    return f"{option} has no effect: {why}"


def as_layer(given: Given) -> Layer:
    """Answer the options that were given as a layer of settings."""
    sections: dict[str, dict[str, Any]] = {}
    for (section, key), value in given.values.items():
        sections.setdefault(section, {})[key] = value
    return ORIGIN, sections
