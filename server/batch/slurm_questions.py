"""What Slurm is asked: one question for all jobs of a user, and one for those that the controller has forgotten."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from server.batch.base import BatchFailed
from server.batch.slurm_answers import COLUMNS, FIELDS, WAITING, JobId, Row, read_accounts, read_queue
from server.batch.slurm_commands import Commands
from server.batch.slurm_options import SlurmOptions

_NO_ACCOUNTS = "accounting storage is disabled"
#: As far back as the accounts are asked: longer than a job waits and runs.
_SINCE = "--starttime=now-90days"
#: Jobs in any state and in any partition: those of hidden ones are left out unless they are asked for.
_OURS = ("--all", "--states=all")
#: So many arrays go into one question.
_MANY = 2000
_NAMES = (("ArrayJobID", 12), ("Name", 140))


class Questions:
    """Asks one Slurm."""

    def __init__(self, options: SlurmOptions) -> None:
        self.commands = Commands(options)
        self._clusters = options.clusters.split(",")
        self._accounting = options.accounting
        self._user = f"--user={os.geteuid()}"

    def queue(self, clusters: Collection[str]) -> Mapping[JobId, Row]:
        """Answer all jobs of this user that the controllers know, also those that have ended.

        Raises:
            BatchFailed: one does not answer.
        """
        found = {}
        for cluster in clusters:
            words = [*_OURS, "--array", self._user, f"--Format={_written(FIELDS)}"]
            text = self._ask("squeue", cluster, "--noheader", *words)
            found.update({JobId(*place, cluster): row for place, row in read_queue(text).items()})
        return found

    def accounts(self, jobs: Collection[JobId]) -> Mapping[JobId, Row]:
        """Answer what the accounts know of jobs; nothing where there are none.

        Raises:
            BatchFailed: they do not answer.
        """
        arrays: dict[str, set[int]] = defaultdict(set)
        for job in jobs:
            arrays[job.cluster].add(job.array)
        found = {}
        for cluster, numbers in arrays.items():
            ordered = sorted(numbers)
            for first in range(0, len(ordered), _MANY):
                which = ",".join(str(number) for number in ordered[first : first + _MANY])
                text = self._sacct(cluster, f"--jobs={which}", f"--format={','.join(COLUMNS)}")
                found.update({JobId(*place, cluster): row for place, row in read_accounts(text).items()})
        return found

    def arrays(self, names: Sequence[str]) -> Mapping[str, list[str]]:
        """Answer the arrays of these names, each as its jobs' ids have it.

        Raises:
            BatchFailed: Slurm does not answer.
        """
        found: dict[str, list[str]] = defaultdict(list)
        for cluster in self._clusters:
            at = f"@{cluster}" if cluster else ""
            wanted = f"--name={','.join(names)}"
            words = ["--noheader", *_OURS, self._user, wanted, f"--Format={_written(_NAMES)}"]
            pairs = [
                (line[:12].strip(), line[12:].strip()) for line in self._ask("squeue", cluster, *words).splitlines()
            ]
            if {name for _, name in pairs}.issuperset(names):
                text = ""
            else:
                text = self._sacct(cluster, wanted, "--format=JobID,JobName")
            past = (line.partition("|") for line in text.splitlines())
            pairs += [(job.partition("_")[0], name) for job, _, name in past]
            for number, name in pairs:
                if number.isdigit() and name in names and f"{number}{at}" not in found[name]:
                    found[name].append(f"{number}{at}")
        return found

    def settings(self) -> list[str]:
        """Answer the configuration of each cluster.

        Raises:
            BatchFailed: one does not answer.
        """
        return [self._ask("scontrol", cluster, "show", "config") for cluster in self._clusters]

    def window(self, partition: str, cluster: str) -> tuple[str, str]:
        """Answer the states of a partition's nodes, ``state|number`` each, and who waits for it.

        Raises:
            BatchFailed: the controller does not answer.
        """
        of = [f"--partition={partition}"] if partition else []
        lines = self._ask("sinfo", cluster, "--noheader", *of, "--format=%P|%T|%D").splitlines()
        groups = [line.strip().partition("|") for line in lines]
        names = {name for name, _, _ in groups if partition or name.endswith("*")}
        which = ",".join(sorted(name.rstrip("*") for name in names))
        words = ["--noheader", "--states=PENDING", f"--partition={which}", f"--Format={_written(WAITING)}"]
        waiting = self._ask("squeue", cluster, *words) if which else ""
        return "\n".join(rest for name, _, rest in groups if name in names), waiting

    def _ask(self, program: str, cluster: str, *words: str) -> str:
        said = self.commands.ask(program, *([f"--clusters={cluster}"] if cluster else []), *words)
        if said.status:
            raise BatchFailed(f"{program}: {said.words}")
        return said.output

    def _sacct(self, cluster: str, *words: str) -> str:
        if not self._accounting:
            return ""
        where = [f"--clusters={cluster}"] if cluster else []
        said = self.commands.ask("sacct", *where, "--noheader", "--parsable2", "--allocations", _SINCE, *words)
        if said.status and _NO_ACCOUNTS not in said.errors:
            raise BatchFailed(f"sacct: {said.words}")
        return "" if said.status else said.output


def _written(fields: Sequence[tuple[str, int]]) -> str:
    return ",".join(f"{name}:{width}" for name, width in fields)
