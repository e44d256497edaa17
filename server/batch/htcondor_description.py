"""What is submitted to HTCondor, made of a template and of what an admin has said. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.batch.base import BatchMisconfigured, Needs, Template
from server.batch.htcondor_options import HTCondorJobOptions, HTCondorOptions
from server.batch.htcondor_words import arguments, environment, literal, plain, quoted

#: Names of one submission's folders and files: what its jobs are given.
FILES = "files"
_FILE = re.compile(r"[\w+][\w.+-]*", re.ASCII)
_MIB, _KIB = 2**20, 2**10
#: The schedd keeps a spooled job that nobody fetches for so long, in seconds.
FETCHED_WITHIN = 10 * 86400
#: Seconds, which is what HTCondor counts in: with one, the end could come before the order to stop was heard.
LEAST_GRACE = 2


@dataclass(frozen=True)
class Submission:
    """One cluster: whose it is, and its folder here, with one folder for each of its jobs."""

    system: str
    home: Path
    count: int


def describe(
    template: Template, submission: Submission, options: HTCondorOptions, job: HTCondorJobOptions
) -> dict[str, str]:
    """Write the submit description: command -> value.

    Raises:
        BatchMisconfigured: something of it cannot be said to HTCondor.
    """
    home = plain("folder", str(submission.home))
    program, *words = template.argv
    lines = {
        "universe": "grid" if job.grid_resource else "container" if job.container_image else "vanilla",
        "executable": plain("argv", program),
        "arguments": arguments(words),
        "transfer_executable": "false",
        "environment": environment(template.environment, _own_variables(template, home)),
        "initialdir": f"{home}/$(ProcId)",
        "output": "stdout",
        "error": "stderr",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_input_files": _files(template, home),
        "transfer_output_files": '""',
        "notification": "never",
        "batch_name": template.key,
        "priority": str(job.priority),
        "My.CompassKey": quoted("key", template.key),
        "My.CompassSystem": quoted("name", submission.system),
        "My.CompassCount": str(submission.count),
    }
    if job.stream:
        lines |= {"stream_output": "true", "stream_error": "true"}
    lines |= _ending(template, job) | _needs(template.needs, template.grace)
    if options.ce or job.grid_resource:
        lines |= _routed_needs(template.needs)
    return lines | _credentials(options, job) | _spooled(options) | _chosen(job)


def _own_variables(template: Template, home: str) -> Mapping[str, str]:
    """Answer what each job is told of itself; HTCondor fills in the numbers."""
    own = f"{template.key}/$(ClusterId).$(ProcId)"
    return {"COMPASS_BATCH_ID": own, "PANDA_JSID": own, "COMPASS_BATCH_DIRECTORY": f"{home}/$(ProcId)"}


def _files(template: Template, home: str) -> str:
    for name in template.files:
        if not _FILE.fullmatch(name):
            raise _wrong(f"files.{name}", "letters, digits and . _ + - only")
    if template.files and "," in home:
        raise _wrong("folder", f"{home}: files in a folder with a comma cannot be sent")
    return ", ".join(f"{home}/{FILES}/{name}" for name in template.files)


def _ending(template: Template, job: HTCondorJobOptions) -> dict[str, str]:
    """Say how a job is stopped, and that none is held for ever, or begins again elsewhere: pilots are not continued."""
    lines = {
        "kill_sig": "SIGTERM",
        "remove_kill_sig": "SIGTERM",
        "My.WantGracefulRemoval": "true",
        "job_max_vacate_time": str(max(LEAST_GRACE, math.ceil(template.grace))),
        "periodic_remove": f"(JobStatus == 5 && time() - EnteredCurrentStatus > {math.ceil(job.held_limit)})"
        " || (JobStatus == 1 && NumJobStarts > 0)",
    }
    if job.hold_on:
        lines["on_exit_hold"] = f"ExitBySignal =!= true && member(ExitCode, {{{job.hold_on}}})"
        lines["on_exit_hold_reason"] = '"its exit status is among those of hold_on"'
    return lines


def _needs(needs: Needs, grace: float) -> dict[str, str]:
    if needs.nodes != 1:
        raise _wrong("needs.nodes", f"{needs.nodes}: a job of HTCondor has one node")
    lines = {"request_cpus": str(needs.cores)}
    if needs.memory is not None:
        lines["request_memory"] = str(math.ceil(needs.memory / _MIB))
    if needs.disk is not None:
        lines["request_disk"] = str(math.ceil(needs.disk / _KIB))
    if needs.wall_time is not None:
        lines["My.MaxRuntime"] = str(math.ceil(needs.wall_time))
        lines["allowed_job_duration"] = str(math.ceil(needs.wall_time + grace))
    if needs.whole_nodes:
        lines["My.WantWholeNode"] = "true"
        lines["request_cpus"] = f"max({{{needs.cores}, TARGET.TotalSlotCpus ?: 0}})"
    return lines


def _routed_needs(needs: Needs) -> dict[str, str]:
    """Say the needs in the words of HTCondor-CE: minutes and megabytes."""
    lines = {"My.xcount": str(needs.cores)}
    if needs.memory is not None:
        lines["My.maxMemory"] = str(math.ceil(needs.memory / _MIB))
    if needs.wall_time is not None:
        lines["My.maxWallTime"] = str(math.ceil(needs.wall_time / 60))
    if needs.whole_nodes:
        lines |= {"My.WantWholeNode": "true", "request_cpus": str(needs.cores)}
    return lines


def _credentials(options: HTCondorOptions, job: HTCondorJobOptions) -> dict[str, str]:
    """Name the files of credentials that go with the jobs."""
    lines: dict[str, str] = {}
    if options.proxy:
        lines |= {"use_x509userproxy": "true", "x509userproxy": plain("options.proxy", options.proxy)}
    if options.scitoken and (job.grid_resource or options.ce):
        lines |= {"use_scitokens": "true", "scitokens_file": plain("options.scitoken", options.scitoken)}
    return lines


def _spooled(options: HTCondorOptions) -> dict[str, str]:
    if not options.spool:
        return {}
    kept = "(CompletionDate ?: 0) == 0 || time() - CompletionDate < "
    return {"leave_in_queue": f"JobStatus == 4 && ({kept}{FETCHED_WITHIN})"}


def _chosen(job: HTCondorJobOptions) -> dict[str, str]:
    """Write what a queue adds."""
    lines = {
        "requirements": job.requirements,
        "rank": job.rank,
        "accounting_group": job.accounting_group,
        "accounting_group_user": job.accounting_user,
        "grid_resource": job.grid_resource,
        "container_image": job.container_image,
    }
    chosen = {name: plain(f"job options.{name}", value) for name, value in lines.items() if value}
    if job.container_image:
        chosen["transfer_container"] = "false"
    for name, value in job.attributes.items():
        chosen[f"My.{name}"] = literal(f"job options.attributes.{name}", value)
    return chosen


def _wrong(where: str, words: str) -> BatchMisconfigured:
    return BatchMisconfigured(f"batch system htcondor: {where}: {words}")
