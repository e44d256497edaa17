"""Whole productions as their managers run them: tasks are ordered, people look at what waits, and all is counted."""

from __future__ import annotations

import io
import json
import random
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import requests

from pilot.contract import naming
from server.production.files import Names
from server.production.states import CheckKind, MergeKind, OutputKind, TaskType
from tests.whole import production_rows
from tests.whole.faulty_program import mend, write_program
from tests.whole.local_system import LocalSystem, ticks
from tests.whole.person import NotTaken, Person
from tests.whole.production_audit import Ordered
from tests.whole.production_rows import Production
from tests.whole.production_site import QUEUE, TAPE, Site, environment, write_raw_files

#: Seconds in which all tasks must have come to their end.
LONGEST = 800.0
RAW = "raw/2016"
IS_OPEN = "state = 'open'"
#: So often a page may refuse what a person wants, because it is not so any more.
MOST_REFUSED = 20


@dataclass(frozen=True)
class Size:
    """How much is produced: chunks by run of the Monte Carlo and of the data, and events of each chunk."""

    monte_carlo: Mapping[int, int]
    data: Mapping[int, int]
    events: int = 20


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong, or is mended, once, when something is so and all troubles before it have happened."""

    words: str
    when: Callable[[], object]
    do: Callable[[], None]


@dataclass
class Productions:
    """A generation, its reconstruction, and a production of data, at one site."""

    system: LocalSystem
    site: Site
    program: Path
    size: Size
    #: What is to be broken; each is taken away when that was done.
    troubles: list[Trouble] = field(default_factory=list)
    #: The task and the run whose lost events a person takes as they are; others are merged again.
    accepted: tuple[str, int] = ("", 0)
    #: What people did, and what was broken, in the order in which it happened.
    story: list[str] = field(default_factory=list)
    _refused: list[str] = field(default_factory=list)

    GENERATION, RECONSTRUCTION, DATA = "mc2016-gen", "mc2016", "dvcs2016"

    # Orders

    def orders(self) -> list[dict[str, Any]]:
        """Write the definitions of the three tasks."""
        frame = {"year": 2016, "period": "P07", "slot": 1, "queue": QUEUE, "program": str(self.program), "tape": TAPE}
        runs = "\n".join(f"{run}, {chunks}" for run, chunks in self.size.monte_carlo.items())
        files = "\n".join(f"{RAW}/{name}, {self.size.events}" for name in self.raw_files())
        monte_carlo = {**frame, "production": "mc2016", "soft": "mc2016-1"}
        return [
            {
                **monte_carlo,
                "name": self.GENERATION,
                "type": "mc_generation",
                "runs": runs,
                "events_per_chunk": self.size.events,
            },
            {**monte_carlo, "name": self.RECONSTRUCTION, "type": "mc_reconstruction", "parent": self.GENERATION},
            {
                **frame,
                "name": self.DATA,
                "type": "mass_production",
                "production": "dvcs2016",
                "soft": "dvcs2016P07t1",
                "files": files,
                "files_endpoint": TAPE,
            },
        ]

    def raw_files(self) -> list[str]:
        return [naming.raw(run, chunk) for run, n in self.size.data.items() for chunk in range(1, n + 1)]

    def ordered(self) -> list[Ordered]:
        """Answer what was ordered, for the audit: nothing of it comes from the server."""
        runs = {self.DATA: self.size.data}
        return [
            Ordered(one["name"], _names(one), runs.get(one["name"], self.size.monte_carlo)) for one in self.orders()
        ]

    @classmethod
    def jobs_of(cls, size: Size) -> list[str]:
        """Name a file that each job writes: those of all chunks, and the merges of mDSTs and histograms."""
        planned = cls.__new__(cls)
        planned.size, planned.program = size, Path("compass-mc")
        found = []
        for one in planned.ordered():
            kind = OutputKind.GENERATED if one.names.type == TaskType.MC_GENERATION else OutputKind.MDST
            for run, chunks in one.runs.items():
                found += [one.names.chunk_files(run, chunk)[kind] for chunk in range(1, chunks + 1)]
                if kind is OutputKind.MDST:
                    found += [one.names.merged_file(merge, run, 0) for merge in (MergeKind.MDST, MergeKind.HISTOGRAMS)]
        return found

    def start(self) -> None:
        """Order all tasks, and let them go."""
        for definition in self.orders():
            path = self.system.home / f"{definition['name']}.json"
            path.write_text(json.dumps(definition))
            self._order(definition["name"], path)

    def _order(self, name: str, path: Path) -> None:
        """Order a task, again where the server was just dead: it may have taken it, though its answer was lost."""
        words = ""
        for _ in ticks(60.0, pause=1.0):
            if name in self.states():
                return
            _, out, said = self.system.call("task", "create", str(path), "--start")
            words = out + said
        raise AssertionError(f"{name} was not taken: {words}")

    # What is going on

    def states(self) -> dict[str, str]:
        return dict(self.system.rows.read("SELECT name, state FROM production_task"))

    def follow(self, until: Callable[[], bool], *, seconds: float = LONGEST) -> None:
        """Look now and then, and do what a manager does, until something is so."""
        for _ in ticks(seconds, pause=1.0):
            if until():
                return
            if self.troubles and self.troubles[0].when():
                trouble = self.troubles.pop(0)
                trouble.do()
                self.story.append(trouble.words)
            with suppress(requests.exceptions.RequestException):  # the server may just be dead
                self.look()
        raise AssertionError(f"after {seconds:.0f} s: {self.states()}\n{self.told()}\n{self.system.said()}")

    def count(self, table: str, condition: str) -> int:
        return self.system.rows.count(f"SELECT COUNT(*) FROM {table} WHERE {condition}")

    def all_are(self, *states: str) -> bool:
        return all(self.states().get(one["name"]) in states for one in self.orders())

    # The person

    @cached_property
    def person(self) -> Person:
        password = (self.system.home / "server" / "admin_password").read_text().strip()
        return Person(self.system.url(), password)

    def look(self) -> None:
        """Mend and send again what waits for a person, by the pages; have tasks archived when all are done."""
        if self.all_are("done", "archive", "archiving", "archived"):
            self.archive()
        for task, run, what, words in self._waiting():
            lost = words.startswith(CheckKind.MDST.label)
            try:
                if lost and (task, run) == self.accepted:
                    self._accept(task, run)
                    self.story.append(f"a person accepted run {run} of {task}: {words}")
                    continue
                if lost:
                    mend(self.program.parent, run)
                why, wish = f"looked at it: {words}"[:300], {"what": what, "run": str(run)}
                self.person.fill_in(f"/tasks/{task}/resend", form_with="why", asked=wish, fields={"why": why})
            except NotTaken as refused:  # something may have moved since the person looked
                self._refused.append(str(refused))
                assert len(self._refused) < MOST_REFUSED, self._refused
                continue
            self.story.append(f"a person sent run {run} of {task} again ({what.replace('_', ' ')}): {words}")

    def _accept(self, task: str, run: int) -> None:
        """Take what a run's check has found as it is, by the form beside the evidence."""
        shown = {"run": str(run), "step": "crosscheck"}
        said = {"why": "a broken event, known to everybody", "act": "accept"}
        self.person.fill_in(f"/tasks/{task}", form_with="why", asked=shown, fields=said)

    def _waiting(self) -> list[tuple[str, int, str, str]]:
        query = (
            "SELECT DISTINCT t.name, r.number, '{what}', MIN(p.words) FROM production_{table} p"
            " JOIN production_run r ON r.id = p.run_id JOIN production_task t ON t.id = p.task_id"
            " WHERE p.state = '{state}' {more} AND t.state IN ('send', 'running', 'archive', 'archiving')"
            " GROUP BY t.name, r.number"
        )
        used = "AND p.attempts >= t.max_attempts"
        found = []
        for table in ("chunk", "mergegroup"):
            found += self.system.rows.read(
                query.format(what="manual_check", table=table, state="manual_check", more="")
            )
            found += self.system.rows.read(query.format(what="failed", table=table, state="failed", more=used))
        return [tuple(row) for row in dict.fromkeys(found)]

    def archive(self) -> None:
        """Have tasks archived when all are done: last what is read by others, whose files are kept as long as that."""
        states = self.states()
        for name, state in states.items():
            last = name == self.GENERATION
            if state == "done" and (not last or states[self.RECONSTRUCTION] == "archived"):
                status, _, said = self.system.call("task", "move", name, "archive")
                self.story.append(f"a manager had {name} archived" if status == 0 else f"{name}: {said}")

    def are_cleaned_up(self) -> bool:
        """Say whether all tasks are archived, and nothing is being removed any more."""
        if not self.all_are("archived"):
            return False
        left = "removed IS NULL AND kind IN ('generated', 'mdst', 'histograms', 'dump')"
        return not self.count("production_output", left) and not self.count("dataservice_transferrequest", IS_OPEN)

    # The end

    def was_made_again(self, name: str) -> bool:
        """Say whether the merge of a file was sent twice because its file had vanished."""
        made, (folder, _, lfn) = self.made(), name.rpartition("/")
        group = next(one.group for one in made.outputs if (one.dataset, one.lfn) == (folder, lfn))
        return [event.after for event in made.events if event.group == group].count("sent") > 1

    def told(self) -> str:
        """Tell what happened, for who reads a test that failed."""
        return "\n".join(self.story)

    def made(self) -> Production:
        return production_rows.read(self.system.rows)

    def into(self) -> dict[tuple[str, int], int]:
        """Answer the events that were ordered, or lie in raw files, by task and run."""
        return {
            (one.name, run): chunks * self.size.events for one in self.ordered() for run, chunks in one.runs.items()
        }

    def out(self) -> dict[tuple[str, int], int]:
        """Count the events in the files on tape, by reading these."""
        found: Counter[tuple[str, int]] = Counter()
        for one in self.ordered():
            for run, chunks in one.runs.items():
                if one.names.type == "mc_generation":
                    names = [f"{one.names.area}/{naming.generated(run, n)}" for n in range(1, chunks + 1)]
                else:
                    names = [f"{one.names.dataset('merged_mdst')}/{one.names.merged_file('mdst', run, 0)}"]
                found[one.name, run] = sum(
                    events_in(path) for path in map(self.site.tape_file, names) if path.is_file()
                )
        return dict(found)

    def packed(self) -> dict[tuple[str, int], list[str]]:
        """Name the logs that are in the packed files on tape, by reading these."""
        found: dict[tuple[str, int], list[str]] = {}
        for one in self.ordered():
            for run in one.runs:
                name = one.names.merged_file(MergeKind.LOGS, run, 0)
                path = self.site.tape_file(f"{one.names.dataset(OutputKind.PACKED_LOGS)}/{name}")
                found[one.name, run] = logs_in(path) if path.is_file() else []
        return found


def logs_in(path: Path) -> list[str]:
    """Name the logs in a packed file; each must be an archive that can be read to its end."""
    found = []
    with tarfile.open(path) as packed:
        for member in packed.getmembers():
            inner = packed.extractfile(member)
            assert inner is not None, member.name
            with tarfile.open(fileobj=io.BytesIO(inner.read())) as log:
                assert log.getnames(), member.name
            found.append(Path(member.name).name)
    return found


def bring_up(site: Site, home: Path, bundle: Path, size: Size, plan: Mapping[str, str]) -> Productions:
    """Bring up a system of a site, whose jobs run a program with planned faults; the raw files are put on tape."""
    system = LocalSystem(home / "home", bundle, **environment()).with_tables()
    found = Productions(system, site, write_program(home / "faults", plan), size)
    write_raw_files(home / "raw", size.data, size.events)
    site.put_raw_files({f"{RAW}/{name}": (home / "raw" / name).read_bytes() for name in found.raw_files()})
    status, out, said = system.up()
    assert status == 0, out + said
    site.define(system)
    return found


def _names(definition: Mapping[str, Any]) -> Names:
    parts = ("type", "production", "year", "period", "soft", "slot")
    return Names(**{part: definition[part] for part in parts}, phast=7)


def events_in(path: Path) -> int:
    """Read how many events a file of generated events, or an mDST, holds: its entries, not what it says of itself."""
    from compass_mc import layouts, root_file

    with root_file.reading(path) as file:
        layout = layouts.MDST if layouts.MDST.tree in file else layouts.GENERATED
        return sum(len(table) for table in root_file.tables_in(file, layout, 1000))


class Killer:
    """Kills parts of a system, one at a time until it is left, by chance that its seed repeats.

    The server, the services with all that they have started, and pilots with their payloads; never the supervisor,
    which starts them again, nor the storages.
    """

    def __init__(self, system: LocalSystem, *, seed: int, pause: tuple[float, float]) -> None:
        self._system, self._luck = system, random.Random(seed)
        self._pause, self._enough = pause, threading.Event()
        #: How often each kind of part was killed, and how often while which states of tasks were to be seen.
        self.killed: Counter[str] = Counter()
        self.meanwhile: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._enough.wait(self._luck.uniform(*self._pause)):
            kind = self._luck.choice(("server", "services", "worker", "pilot"))
            with suppress(psutil.NoSuchProcess, FileNotFoundError, KeyError, ValueError):
                if victims := sorted(self._victims(kind), key=lambda process: process.pid):
                    states = {state for (state,) in self._system.rows.read("SELECT state FROM production_task")}
                    self._luck.choice(victims).kill()
                    self.killed[kind] += 1
                    self.meanwhile.update(states)

    def _victims(self, kind: str) -> list[psutil.Process]:
        if kind in ("server", "services"):
            return [self._system.part(kind)]
        if kind == "worker":
            return self._system.part("services").children(recursive=True)
        return self._system.pilots()
