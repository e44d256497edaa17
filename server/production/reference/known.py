"""What the rows of reference say, read once for a whole cycle: sites, types of task, and the limits of each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from django.conf import settings

from server.production.limits import Limits, limits, slip_of
from server.production.models import Task
from server.production.reference.kinds import BUILT_IN, Kind, priority_limit
from server.production.reference.models import Site, TaskKind
from server.production.reference.precedence import Layer, Settled, settle
from server.production.states import TaskType


@dataclass(frozen=True)
class Known:
    """Sites by their numbers, types of task by their words, and what the settings say."""

    sites: Mapping[int, Site] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=lambda: BUILT_IN)

    @cached_property
    def _system(self) -> Layer:
        chosen, common = getattr(settings, "PRODUCTION", {}), asdict(limits())
        return Layer("settings", {name: common[name] for name in chosen})

    @cached_property
    def _by_queue(self) -> dict[str, Site]:
        return {site.queue: site for site in self.sites.values()}

    @cached_property
    def _at(self) -> dict[str, Limits]:
        return {}

    def site_at(self, queue: str) -> Site | None:
        """Answer the site whose queue this is."""
        return self._by_queue.get(queue)

    def site_of(self, task: Task) -> Site | None:
        """Answer the site where a task's jobs run: that of its queue, or else the one that it was defined with."""
        return self.site_at(task.queue) or self.sites.get(task.site_id or 0)

    def kind_of(self, task: Task) -> Kind:
        """Answer the type of a task; where its row has gone, what its chain has."""
        return self.kinds.get(task.kind) or self.kinds.get(task.type) or BUILT_IN[task.type]

    def settled_for(self, task: Task) -> Settled:
        """Answer every limit of a task with its origin: the fields that it carries itself come last."""
        kind, site = self.kind_of(task), self.site_of(task)
        carried = {
            priority_limit(task.type): task.priority,
            "merging_priority": task.merging_priority,
            "max_attempts": task.max_attempts,
        }
        return settle([*self._layers(kind, site), Layer("task", {**_own(task.limits), **carried})])

    def usual_for(self, task: Task) -> Settled:
        """Answer what would hold for a task that says nothing itself."""
        return settle(self._layers(self.kind_of(task), self.site_of(task)))

    def limits_for(self, task: Task) -> Limits:
        """Answer the limits that hold for a task."""
        return self.settled_for(task).limits

    def limits_at(self, queue: str) -> Limits:
        """Answer the limits that hold for a queue as a whole, whoever's jobs are there."""
        # Asked for each job that is sent.
        if queue not in self._at:
            self._at[queue] = settle(self._layers(None, self.site_at(queue))).limits
        return self._at[queue]

    def limits_of_new(self, kind: Kind | None, site: Site | None) -> Limits:
        """Answer the limits of a task that is being defined."""
        return settle(self._layers(kind, site)).limits

    def _layers(self, kind: Kind | None, site: Site | None) -> Iterable[Layer]:
        yield self._system
        if kind is not None:
            yield Layer(f"type {kind.word}", kind.limits)
        if site is not None:
            yield Layer(f"site {site.name}", _own(site.limits))


def _own(said: object) -> Mapping[str, int]:
    """Pass over what cannot be, since a row may be older than the product, or written by hand: it holds up nobody."""
    if not isinstance(said, Mapping):
        return {}
    return {name: value for name, value in said.items() if not slip_of(str(name), value)}


def read_known() -> Known:
    """Read sites and types: two statements, whatever they are."""
    # Of a chain that this version of the product does not have nothing can be said.
    rows = {row.word: kind_of_row(row) for row in TaskKind.objects.all() if row.chain in TaskType.values}
    return Known({site.pk: site for site in Site.objects.all()}, {**BUILT_IN, **rows})


def kind_of_row(row: TaskKind) -> Kind:
    chain = TaskType(row.chain)
    own = dict(_own(row.limits))
    if row.priority is not None:
        own[priority_limit(chain)] = row.priority
    return Kind(row.word, row.label, chain, row.enabled, row.program, own)
