"""Outputs that a job wants put into one archive: ``<ZIP_MAP>`` among its parameters, as PanDA's server reads it.

``<ZIP_MAP>one.zip:a.root,b.root two.tar:hist.*</ZIP_MAP>`` names two archives, which are outputs of the job, and what
is in them. In a member's name ``*``, or ``.*``, stands for any text. Inputs may be named, too: they are for the server,
since an archive of inputs is what a payload makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pilot.contract.codec import ContractError, shown
from pilot.contract.job import Archive, FileSpec, JobSpec

FIELD = "jobPars"
_BEGIN, _END = "<ZIP_MAP>", "</ZIP_MAP>"
_INPUT = "zip://"
#: How a kind of archive ends; a number may follow, as in names of later attempts.
_KIND = re.compile(r"\.(zip|tar)(\.[0-9]+)*")


def kind(name: str) -> str:
    """Answer "zip" or "tar" by an archive's name, and "" for a name that says neither."""
    found = re.search(_KIND.pattern + r"\Z", name)
    return found.group(1) if found else ""


def input_name(name: str, *, merges: bool) -> str:
    """Answer an input's name without the ``zip://`` by which PanDA says that it is an archive.

    Raises:
        ContractError: a job that merges would not find it unpacked, since only tars are.
    """
    bare = name[len(_INPUT) :] if name.startswith(_INPUT) else name
    if merges and bare != name and not bare.endswith(".tar"):
        text = f"inFiles: {shown(name)} does not end in .tar, and would not be unpacked"
        raise ContractError(text, field_name="inFiles")
    return bare


def take_archives(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take the map out of a job's parameters; answer the rest, and the map's entries.

    Raises:
        ContractError: the map has no end.
    """
    rest: list[str] = []
    entries: list[str] = []
    words = iter(arguments)
    for word in words:
        if word.startswith(_BEGIN):
            entries.extend(_whole(word, words).split())
        else:
            rest.append(word)
    return tuple(rest), tuple(entries)


def _whole(word: str, words: Iterator[str]) -> str:
    """Answer what is between the marks: one word if it was quoted, several if not."""
    text = word
    while not text.endswith(_END):
        more = next(words, None)
        if more is None:
            raise _refused(f"{shown(word)} has no {_END} at its end")
        text = f"{text} {more}"
    return text[len(_BEGIN) : -len(_END)]


def read_archives(entries: Sequence[str], spec: JobSpec) -> tuple[Archive, ...]:
    """Read what the outputs of a job are put into; an archive of inputs alone is left out.

    Raises:
        ContractError: an entry is none, names what is no file of the job, or a file twice; or the job's outputs are
            not known before it has ended.
    """
    if entries and (spec.events or spec.iterative):
        raise _refused("outputs of event ranges and of searches cannot be named beforehand, so that none is archived")
    names = [entry.partition(":")[0] for entry in entries]
    taken = set(names)
    if len(taken) < len(names):
        raise _refused("an archive is named twice")
    found = []
    for entry in entries:
        members = _members(entry, spec, names)
        if again := sorted(taken.intersection(members)):
            raise _refused(f"{again[0]} would be in two archives")
        taken.update(members)
        if members:
            found.append(Archive(entry.partition(":")[0], members))
    return tuple(found)


def _members(entry: str, spec: JobSpec, archives: Sequence[str]) -> tuple[str, ...]:
    name, colon, listed = entry.partition(":")
    outputs = [file.lfn for file in spec.outputs]
    parts = [part for part in listed.split(",") if part]
    if not colon or not parts:
        raise _refused(f"{shown(entry)} is not <archive>:<file>,<file>")
    if name not in outputs:
        raise _refused(f"{shown(name)} is not an output")
    inside = [lfn for lfn in outputs if lfn not in archives]
    inputs = [file.lfn for file in spec.inputs]
    members: list[str] = []
    for part in parts:
        named = _named(part, [*inside, *inputs])
        if not named:
            raise _refused(f"{shown(part)}, for {name}, is neither an output nor an input")
        members.extend(lfn for lfn in named if lfn in inside)
    if blank := [lfn for lfn in members if any(letter.isspace() for letter in lfn)]:
        raise _refused(f"{shown(blank[0])} has a blank in it, so that the map cannot name it")
    if members and not kind(name):
        raise _refused(f"{shown(name)} ends neither in .zip nor in .tar")
    return tuple(dict.fromkeys(members))


def _named(part: str, files: Sequence[str]) -> list[str]:
    if part in files or "*" not in part:
        return [lfn for lfn in files if lfn == part]
    pieces = re.split(r"\.?\*+", part.replace("\\.", "."))
    return [lfn for lfn in files if _fits(pieces, lfn)]


def _fits(pieces: Sequence[str], lfn: str) -> bool:
    """Say whether a name is the pieces with any text between them: without a pattern that somebody can make slow."""
    first, *others, last = pieces
    at, end = len(first), len(lfn) - len(last)
    if at > end or not (lfn.startswith(first) and lfn.endswith(last)):
        return False
    for piece in others:
        found = lfn.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def write_archives(archives: Sequence[Archive]) -> tuple[str, ...]:
    """Write the map as an argument; nothing for a job without archives."""
    entries = " ".join(f"{archive.name}:{','.join(archive.members)}" for archive in archives)
    return (f"{_BEGIN}{entries}{_END}",) if entries else ()


def alone(spec: JobSpec) -> tuple[FileSpec, ...]:
    """Answer the outputs that are stored as files of their own."""
    members = {lfn for archive in spec.archives for lfn in archive.members}
    return tuple(file for file in spec.outputs if file.lfn not in members)


def not_packed(files: Sequence[FileSpec], spec: JobSpec) -> list[FileSpec]:
    """Answer those of some outputs that are neither archives to be made nor in one."""
    packed = {lfn for archive in spec.archives for lfn in (archive.name, *archive.members)}
    return [file for file in files if file.lfn not in packed]


def _refused(words: str) -> ContractError:
    return ContractError(f"{FIELD}: ZIP_MAP: {words}", field_name=FIELD)
