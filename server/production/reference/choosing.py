"""What a definition chooses from the rows of reference, and what they fill in where it says nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pilot.contract.codec import shown
from server.production.reference.kinds import Kind, priority_limit
from server.production.reference.known import Known
from server.production.reference.models import Site, SoftwareRelease, Template
from server.production.states import ON_DATA

#: What a site fills in of every task, and of those that read raw files, or merge.
_OF_ALL = {"queue": "queue", "home": "home", "tape": "tape"}
_OF_DATA = {"files_home": "files_home", "files_endpoint": "files_endpoint"}
_OF_MERGES = {"merging_queue": "merging_queue"}
#: Whatever may be filled in.
_FILLED = frozenset(
    {*_OF_ALL, *_OF_DATA, *_OF_MERGES, "program", "path", "phast", "priority", "merging_priority", "max_attempts"}
)


@dataclass(frozen=True)
class Chosen:
    """A definition with what its site, type and release have filled in; ``slips``: what cannot be chosen, by field."""

    said: dict[str, Any]
    kind: Kind | None = None
    site: Site | None = None
    slips: Mapping[str, str] = field(default_factory=dict)


def choose(data: Mapping[str, Any], known: Known, releases: Sequence[SoftwareRelease] = ()) -> Chosen:
    """Fill in what a definition leaves out: first from its release, then from its type, then from its site.

    A site's software area is its own, so that it goes before the release's usual one.

    Args:
        data: The definition as it was given.
        known: Sites and types.
        releases: The releases that tasks may name.
    """
    said = {name: value for name, value in data.items() if value not in (None, "")}
    word = said.get("type")
    kind = known.kinds.get(word) if isinstance(word, str) else None
    site, slips = None, dict[str, str]()
    if "site" in said:
        site, slip = site_named(said["site"], known.sites.values())
        slips = {"site": slip} if slip else {}
    for fill in (of_site(site, kind), _of_kind(kind), _of_release(said, releases)):
        said = {**fill, **said}
    return Chosen(said, kind, site, slips)


def without_filled(said: Mapping[str, Any], known: Known, releases: Sequence[SoftwareRelease]) -> dict[str, Any]:
    """Leave out of a whole definition what its site, type or release would fill in just so.

    Where another site, type or release is chosen then, these fields follow it.
    """
    bare = {name: value for name, value in said.items() if name not in _FILLED}
    chosen = choose(bare, known, releases)
    filled = {**chosen.said, **_numbers(chosen, known)}
    return {name: value for name, value in said.items() if name in bare or filled.get(name) != value}


def _numbers(chosen: Chosen, known: Known) -> dict[str, int]:
    if chosen.kind is None:
        return {}
    limits = known.limits_of_new(chosen.kind, chosen.site)
    own = {name: getattr(limits, name) for name in ("merging_priority", "max_attempts")}
    return {**own, "priority": getattr(limits, priority_limit(chosen.kind.chain))}


def site_named(name: Any, sites: Collection[Site]) -> tuple[Site | None, str]:
    """Find a site that tasks may name; answer it, and why it cannot be named ("" when it can)."""
    found = next((site for site in sites if site.name == name), None)
    if found is not None and found.enabled:
        return found, ""
    usable = [site.name for site in sites if site.enabled]
    hint = _hint(str(name), usable, "Sites")
    if found is not None:
        return None, f"{found.name!r} is switched off on the admin's page Sites; {hint}"
    return None, f"{shown(name)} is no site; {hint}"


def of_site(site: Site | None, kind: Kind | None) -> dict[str, Any]:
    """Answer what a site fills in of the tasks of a type, by field."""
    if site is None:
        return {}
    names = dict(_OF_ALL)
    if kind is not None and kind.chain in ON_DATA:
        names |= _OF_DATA
    if kind is not None and kind.has_merges:
        names |= _OF_MERGES
    return {name: value for name, column in names.items() if (value := getattr(site, column))}


def _of_kind(kind: Kind | None) -> dict[str, Any]:
    return {"program": kind.program} if kind is not None and kind.program else {}


def _of_release(said: Mapping[str, Any], releases: Sequence[SoftwareRelease]) -> dict[str, Any]:
    found = [release for release in releases if release.enabled and release.name == said.get("soft")]
    found = [release for release in found if said.get("path", release.path) == release.path]
    if len(found) != 1:
        return {}
    fill: dict[str, Any] = {"home": found[0].home, "path": found[0].path}
    if found[0].phast is not None:
        fill["phast"] = found[0].phast
    return {name: value for name, value in fill.items() if value != ""}


def slip_of_release(soft: str, path: str, releases: Sequence[SoftwareRelease]) -> str:
    """Say why a task cannot run a release; "" when it can, as it always can where no release has a row."""
    if not releases:
        return ""
    usable = [release for release in releases if release.enabled]
    of_name = [release for release in usable if release.name == soft]
    if any(release.path == path for release in of_name):
        return ""
    if of_name:
        places = " or ".join(sorted({repr(release.path) for release in of_name}))
        return f"{shown(soft)} lies below the path {places}, and not {shown(path)}; give that as path"
    if any(release.name == soft for release in releases):
        words = "is switched off on the admin's page Software releases"
    else:
        words = "is no release that is known here"
    return f"{shown(soft)} {words}; {_hint(soft, [release.name for release in usable], 'Software releases')}"


def find_template(name: str, kind: str, templates: Sequence[tuple[Template, Collection[str]]]) -> tuple[str, str]:
    """Answer what pilots are told of a template, and why it cannot be used ("" when it can).

    Args:
        name: As the definition names it: by its row's name, or by its file.
        kind: The word of the task's type.
        templates: The rows, each with the words of the types that it fits, none: all.

    Returns:
        File and objection. Where no row is for the type, every template is taken.
    """
    fitting = [row for row, words in templates if not words or kind in words]
    if not fitting:
        return name, ""
    found = next((row for row in fitting if name in (row.name, row.file)), None)
    if found is not None and found.enabled:
        return found.file or found.name, ""
    hint = _hint(name, [row.name for row in fitting if row.enabled], "Templates")
    if found is not None:
        return name, f"{shown(name)} is switched off on the admin's page Templates; {hint}"
    if any(name in (row.name, row.file) for row, _ in templates):
        return name, f"{shown(name)} is not for the type {kind}; {hint}"
    return name, f"{shown(name)} is no template that is known here; {hint}"


def _hint(name: str, usable: Collection[str], page: str) -> str:
    near = get_close_matches(name, usable, 1)
    if near:
        return f"did you mean {near[0]!r}? Others are added on the admin's page {page}"
    there = ", ".join(sorted(usable)[:10]) or "none"
    return f"there is {there}; others are added on the admin's page {page}"
