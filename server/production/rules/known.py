"""The rules in force, read for a whole cycle in one statement, two where a rule names a site."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from server.production.reference.models import Site
from server.production.rules.actions import About, Action
from server.production.rules.match import Rule
from server.production.rules.models import ProductionRule


def read_rules() -> tuple[Rule, ...]:
    """Answer the rules that are enabled, in their order."""
    return as_rules(ProductionRule.objects.filter(enabled=True))


def as_rules(rows: Iterable[ProductionRule]) -> tuple[Rule, ...]:
    """Answer rows as values, in the same order."""
    found = list(rows)
    named = {row.site for row in found if row.site}
    sites = list(Site.objects.filter(Q(name__in=named) | Q(queue__in=named))) if named else []
    return tuple(_as_rule(row, sites) for row in found)


def _as_rule(row: ProductionRule, sites: Iterable[Site]) -> Rule:
    return Rule(
        name=row.name,
        action=Action(row.action),
        about=About(row.about),
        kind=row.kind,
        payload_error=row.payload_error,
        pilot_error=row.pilot_error,
        words=row.words,
        task_type=row.task_type,
        queues=_queues(row.site, sites),
        delay=row.delay,
        factor=row.factor,
        most_attempts=row.most_attempts,
        advice=row.advice,
    )


def _queues(name: str, sites: Iterable[Site]) -> frozenset[str]:
    """Answer the queues that a rule's site means: a queue of that name, and those of the site of that name."""
    if not name:
        return frozenset()
    mine = [site for site in sites if site.name == name]
    found = {queue for site in mine for queue in (site.queue, site.merging_queue or f"{site.queue}_MERGING")}
    return frozenset(found | {name})
