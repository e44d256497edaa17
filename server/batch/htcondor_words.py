"""Words of HTCondor's submit language: how values are written so that they stay values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from server.batch.base import BatchMisconfigured

#: Attributes that are the server's, or say whose a job is and what it runs; lower case.
# fmt: off
RESERVED = frozenset((
    "compasskey", "compasssystem", "compasscount", "clusterid", "procid", "owner", "user", "ntdomain", "jobstatus",
    "jobuniverse", "cmd", "args", "arguments", "env", "environment", "in", "out", "err", "iwd", "transferinput",
    "transferoutput", "transferexecutable", "x509userproxy", "leavejobinqueue", "periodicremove", "onexithold",
    "onexitremove", "holdreason", "removereason", "requestcpus", "requestmemory", "requestdisk", "requirements",
    "rank", "accountinggroup", "acctgroup", "acctgroupuser", "gridresource", "killsig", "removekillsig",
    "wantgracefulremoval", "jobmaxvacatetime", "allowedjobduration", "containerimage",
))
# fmt: on
#: What becomes a dollar sign, and begins nothing.
DOLLAR = "$(DOLLAR)"
_ODD = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_STAMP = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d ", re.ASCII)
#: What a schedd answers instead of the number of a further job.
_REFUSED = re.compile(r"expected next ProcId to be \d+, but Schedd says (-\d+)", re.ASCII)
_REFUSALS = {
    "-2": "its queue is full (MAX_JOBS_SUBMITTED there)",
    "-3": "their owner may have no more (MAX_JOBS_PER_OWNER there)",
    "-4": "so many may not be submitted at a time (MAX_JOBS_PER_SUBMISSION there)",
    "-5": "their owner has been disabled there",
}
#: Characters of an error's words.
_LONGEST = 600
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def refuse_odd_text(where: str, text: str) -> None:
    """Refuse what would not stay on its line of a description, or not stay what it is.

    Raises:
        BatchMisconfigured: naming ``where`` and what is wrong with it.
    """
    found = _ODD.search(text)
    if found:
        raise _wrong(where, f"{text!r} has a character that cannot be in a submit description: {found[0]!r}")
    if text.endswith("\\"):
        raise _wrong(where, f"{text!r} ends with a backslash, which would join the next line to it")
    if "$$" in text:
        raise _wrong(where, f"{text!r} has $$, which HTCondor replaces by words of the machine")


def plain(where: str, text: str) -> str:
    """Write text into a line so that nothing in it is expanded; raises as `refuse_odd_text` does."""
    refuse_odd_text(where, text)
    return text.replace("$", DOLLAR)


def quoted(where: str, text: str) -> str:
    """Write a text of ClassAds; raises as `refuse_odd_text` does."""
    refuse_odd_text(where, text)
    if "\\" in text:
        raise _wrong(where, f"{text!r} has a backslash, which not every HTCondor reads alike")
    return plain(where, '"' + text.replace('"', '\\"') + '"')


def literal(where: str, said: object) -> str:
    """Write a value of an attribute: numbers and truths as such, all else, and what is in quotes, as text.

    Raises:
        BatchMisconfigured: as `refuse_odd_text` does.
    """
    text = str(said)
    if text.lower() in ("true", "false"):
        return text.lower()
    if _NUMBER.fullmatch(text):
        return text
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return quoted(where, text)


def arguments(words: Sequence[str]) -> str:
    """Write a job's arguments; raises as `refuse_odd_text` does."""
    return _line([_word(plain("argv", word)) for word in words])


def environment(variables: Mapping[str, str], macros: Mapping[str, str]) -> str:
    """Write a job's environment; ``macros`` are texts of ours, in which HTCondor fills in what it knows."""
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            raise _wrong("environment", f"{name!r} cannot be the name of a variable there")
    pairs = [f"{name}={plain(f'environment.{name}', value)}" for name, value in variables.items()]
    pairs += [f"{name}={value}" for name, value in macros.items()]
    return _line([_word(pair) for pair in pairs])


def reason(error: str, written: str) -> str:
    """Say why something failed: in an error's words, or what these mean, and in what was written of it."""
    refused = _REFUSED.search(error)
    if refused:
        return f"the schedd takes no more jobs: {_REFUSALS.get(refused[1], error)}"
    lines = (_STAMP.sub("", line.strip()) for line in written.splitlines())
    told = " ".join([error.strip(), *(line for line in lines if line)])
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."


def _word(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _line(words: Sequence[str]) -> str:
    return '"' + " ".join(words).replace('"', '""') + '"'


def _wrong(where: str, words: str) -> BatchMisconfigured:
    return BatchMisconfigured(f"batch system htcondor: {where}: {words}")
