"""Writes the reference pages from the code, so that they cannot say anything else than the code does."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from pilot import hookspecs
from pilot.contract import exit_codes, server_codes, states
from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.settings import Settings
from server.production.rules.compass import does_with

Row = Sequence[object]


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Write a Markdown table; what would break a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", r"\|")


def first_sentence(thing: object) -> str:
    """Answer the first paragraph of a docstring in one line, in Markdown."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("``", "`")


# Errors


def codes() -> str:
    """Every number that a pilot, a payload or the server gives as a reason."""
    return f"""# Error codes

{first_sentence(ErrorCode)} Up to 1386 the numbers are PanDA's; our own begin at 1900.

## Of the pilot

{
        table(
            ["number", "name", "what happened", "what to do", "may pass by itself"],
            [
                (code.value, f"`{code.name}`", code.words, code.advice, "yes" if code.passes else "no")
                for code in ErrorCode
            ],
        )
    }
## Of the payload

{first_sentence(PayloadCode)} They travel in `exeErrorCode`, and overlap the pilot's without meaning the same.
[Rules](../howto/write-production-rules.md) say what becomes of a chunk or a merge whose job ends with one, and can be
changed; here is what those do that come with the product.

{
        table(
            ["number", "name", "what happened", "what to do", "what becomes of it"],
            [
                (
                    code.value,
                    f"`{code.name}`",
                    MEANINGS[code].words,
                    MEANINGS[code].advice,
                    does_with(code),
                )
                for code in PayloadCode
            ],
        )
    }
## Of the server

{"".join(f"{first_sentence(kind)}{chr(10) * 2}{numbers(kind)}{chr(10)}" for kind in enums_of(server_codes))}
## Exit status of the pilot

{first_sentence(exit_codes.ExitCode)}

{numbers(exit_codes.ExitCode)}
"""


def enums_of(module: object) -> list[type[IntEnum]]:
    """Answer the enums that a module defines, in its order."""
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, IntEnum) and kind.__module__ == getattr(module, "__name__", "")
    ]


def numbers(kind: type[IntEnum]) -> str:
    """List an enum's numbers with their names in words."""
    return table(["number", "name"], [(member.value, f"`{member.name}`") for member in kind])


# States


def state_table(members: Iterable[Any], moves: Iterable[tuple[Any, Any]]) -> str:
    """List states with those that each may become."""
    legal = list(moves)
    rows = []
    for state in members:
        after = sorted(f"`{b.value}`" for a, b in legal if a is state)
        rows.append((f"`{state.value}`", state.label, ", ".join(after) or "—"))
    return table(["state", "as pages show it", "may become"], rows)


def data_states() -> str:
    """The states of datasets, files, replicas and transfers, and every legal move between them."""
    from server.dataservice import states as data

    parts = ["# States of data\n", f"{first_sentence(data)} They are rows of the server's data service.\n"]
    for words, members, moves in (
        ("A dataset", data.DatasetState, data.DATASET_MOVES),
        ("A file of a dataset", data.FileState, data.FILE_MOVES),
        ("A replica", data.ReplicaState, data.REPLICA_MOVES),
    ):
        parts.append(f"## {words}\n\n{state_table(members, moves)}")
    for kind in data.TransferKind:
        moves = data.TRANSFER_MOVES[kind]
        members = [state for state in data.TransferState if any(state in pair for pair in moves)]
        parts.append(f"## A file of a request: {kind.label}\n\n{state_table(members, moves)}")
    return "\n".join(parts)


def job_states() -> str:
    """The states of a job and every legal move between them."""
    notes = {
        "final": states.FINAL,
        "with a pilot": states.WITH_PILOT,
        "a pilot may report it": states.REPORTABLE,
    }
    rows = []
    for state in states.JobState:
        after = sorted(f"`{b.value}`" for a, b in states.MOVES if a is state)
        remarks = ", ".join(words for words, members in notes.items() if state in members)
        rows.append((f"`{state.value}`", ", ".join(after) or "—", remarks))
    return f"""# Job states

{first_sentence(states)} The words are PanDA's. A heartbeat (the same state again) is a report, not a move.
A move from a failed job, or from a job whose pilot was lost, back to `activated` is a new attempt.

{table(["state", "may become", "remarks"], rows)}
"""


# Hooks


def hooks() -> Mapping[str, Callable[..., Any]]:
    """Answer the hook specifications by name."""
    marker = f"{hookspecs.hookspec.project_name}_spec"
    return {name: thing for name, thing in vars(hookspecs).items() if callable(thing) and hasattr(thing, marker)}


def signature(name: str, hook: Callable[..., Any]) -> str:
    """Write a hook as it is declared."""
    found = inspect.signature(hook)
    arguments = ", ".join(f"{one.name}: {one.annotation}" for one in found.parameters.values())
    return f"{name}({arguments}) -> {found.return_annotation}"


def hook_page() -> str:
    """Every hook with its exact arguments."""
    parts = [
        "# Hooks\n",
        "A plugin is a module or an object with functions of these names, marked with `pilot.hookspecs.hookimpl`, and",
        "announced under the entry-point group `compass_pilot.plugins`. Arguments are passed by name; a function may",
        "take fewer than listed, and none other. Everything passed is frozen: a plugin answers, it changes nothing.\n",
    ]
    marker = f"{hookspecs.hookspec.project_name}_spec"
    for name, hook in sorted(hooks().items()):
        first = (
            " The first answer is taken." if getattr(hook, marker)["firstresult"] else " Every plugin's answer counts."
        )
        text = (inspect.getdoc(hook) or "").replace("``", "`")
        parts.append(f"## {name}\n\n```python\n{signature(name, hook)}\n```\n\n{text}\n\n*Answers:*{first}\n")
    return "\n".join(parts)


# Settings


def settings_of(section: type) -> Iterator[tuple[str, str, object, Mapping[str, Any]]]:
    """Answer name, type, default and metadata of each setting of a section."""
    for one in dataclasses.fields(section):
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        yield one.name, str(one.type), default, one.metadata


def limits(facts: Mapping[str, Any]) -> str:
    """Say which values a setting may have."""
    if facts.get("words"):
        return " or ".join(f"`{word}`" for word in facts["words"])
    low, high = facts.get("low"), facts.get("high")
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "—" if high is None else f"at most {high}"


def sections_of(settings: type) -> Mapping[str, type]:
    """Answer the sections by name; a settings class has one default factory, the section's class, for each."""
    return {one.name: type(getattr(settings(), one.name)) for one in dataclasses.fields(settings)}


def settings_page(settings: type) -> str:
    """Every setting with its type, default, unit and limit."""
    parts = [
        "# Settings\n",
        f"{first_sentence(settings)} A file has the sections as keys; what it leaves out keeps its default; a key that",
        "is not listed here is an error, as is a value outside of its limits.",
        "The variable `COMPASS_PILOT__SECTION__KEY` sets the same.\n",
    ]
    for name, section in sections_of(settings).items():
        rows = [
            (f"`{key}`", f"`{kind}`", f"`{default!r}`", facts["unit"] or "—", limits(facts), facts["help"])
            for key, kind, default, facts in settings_of(section)
        ]
        parts.append(f"## {name}\n\n{first_sentence(section)}\n")
        parts.append(table(["key", "type", "default", "unit", "limits", "what it does"], rows))
    return "\n".join(parts)


# Addresses of the server


def routes(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk Django's resolver: each address with the function that answers it; the admin is one address."""
    for one in patterns:
        route = prefix + str(one.pattern).lstrip("^").rstrip("$")
        if getattr(one, "app_name", None) == "admin":
            yield route, None
        elif hasattr(one, "url_patterns"):
            yield from routes(one.url_patterns, route)
        else:
            yield route, one.callback


def url_table(patterns: Iterable[Any], who: Callable[[Any], str]) -> str:
    """Every address that the server answers, whom it answers, and with what."""
    rows = [
        (f"`/{route}`", *(("staff", "Django's admin.") if view is None else (who(view), first_sentence(view) or "—")))
        for route, view in sorted(routes(patterns), key=lambda pair: pair[0])
    ]
    return table(["address", "who may call it", "what it does"], rows)


def who_may(view: Any) -> str:
    """Say whom a view lets in, from the rule that it is declared with."""
    from server.accounts.rules import rule_of

    rule = rule_of(view)
    if rule is None:
        return "—"
    return ", ".join(sorted(role.value for role in rule.roles)) or f"everybody: {rule.open_because}"


def server_page() -> str:
    """The server's variables and addresses."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    import django

    django.setup()
    from django.urls import get_resolver

    from server.settings.environment import PREFIX, Environment

    rows = [
        (f"`{PREFIX}{key.upper()}`", f"`{kind}`", f"`{default!r}`", limits(facts), facts["help"])
        for key, kind, default, facts in settings_of(Environment)
    ]
    variables = table(["variable", "type", "default", "limits", "what it does"], rows)
    return f"# Server\n\n## Variables\n\n{variables}\n## Addresses\n\n{url_table(get_resolver().url_patterns, who_may)}"


# The interface for programs


def api_page() -> str:
    """Every method of ``/api/v1`` with its arguments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    import django

    django.setup()
    from django.urls import get_resolver

    from server.dispatcher.openapi import addresses

    found = sorted(
        (pair for pair in addresses(get_resolver()) if hasattr(pair[1], "description")), key=lambda one: one[0]
    )
    parts = [
        "# Methods of `/api/v1`\n",
        "PanDA's newer interface. A server describes its own in OpenAPI at `/api/v1/openapi.json`. Who may call a",
        "method is proven by `Authorization: Bearer <token>`. Arguments come as JSON or as a form, or in the query of",
        'a GET, where a name that is repeated is a list. The answer is `{"success", "message", "data"}`: a call that',
        "cannot be carried out is HTTP 200 with `success` false and the reason in `message`.\n",
    ]
    return "\n".join((*parts, *(api_method(address, view) for address, view in found)))


def api_method(address: str, view: Any) -> str:
    """One method: who may call it, and what it takes."""
    rows = [
        (f"`{one.name}`", kind_of(one), "required" if one.required else default_of(one), one.help)
        for one in view.description.arguments
    ]
    verbs = " or ".join(view.description.verbs)
    takes = table(["argument", "kind", "default", "what it says"], rows) if rows else "It takes nothing.\n"
    return f"## {address}\n\n{first_sentence(view)}\n\n{verbs}, for: {who_may(view)}.\n\n{takes}"


def kind_of(argument: Any) -> str:
    """Say what values of an argument are."""
    return f"list of up to {argument.most}, each {argument.kind.expected}" if argument.most else argument.kind.expected


def default_of(argument: Any) -> str:
    """Say what stands for an argument that is left out."""
    return "—" if argument.default in (None, "") else f"`{argument.default}`"


PAGES: Mapping[str, Callable[[], str]] = {
    "api": api_page,
    "codes": codes,
    "hooks": hook_page,
    "states": job_states,
    "data-states": data_states,
    "server": server_page,
    "settings": lambda: settings_page(Settings),
}


def write(folder: Path) -> None:
    """Write each page, and touch only those that changed, so that a second build is short."""
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        target, text = folder / f"{name}.md", page()
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
