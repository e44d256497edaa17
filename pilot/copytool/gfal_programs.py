"""What the copy tool ``gfal`` has gfal2's programs do where its Python module is not to be had."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, Setup
from pilot.copytool.gfal_words import NotHere
from pilot.copytool.program import CANNOT_RUN, Ran, run

_SIZE = re.compile(r"^\s*Size:\s*(\d+)\s+(.*)$", re.MULTILINE)
_ABSENT = 2
#: Puts a token where gfal2 looks for one, without its standing on a command line.
_SHOWING = """
[ -r "$0" ] || { echo "authentication failed: no token can be read from $0" >&2; exit 1; }
BEARER_TOKEN=$(cat "$0") && export BEARER_TOKEN && exec "$@\""""


class Programs:
    """Does by gfal2's programs what `pilot.copytool.gfal_apart` does by its module."""

    def __init__(self, environment: Mapping[str, str], setup: Setup) -> None:
        self._environment, self._setup = environment, setup

    def call(
        self, function: str, arguments: Mapping[str, Any], deadline: Deadline, cancel: Optional[Cancel] = None
    ) -> Any:
        """Do what a function of that module does, with the same arguments and failures."""
        return getattr(_Run(self._environment, self._setup, arguments, deadline, cancel), function)()


class _Run:
    def __init__(
        self,
        environment: Mapping[str, str],
        setup: Setup,
        arguments: Mapping[str, Any],
        deadline: Deadline,
        cancel: Optional[Cancel],
    ) -> None:
        self._environment, self._setup, self._given = environment, setup, arguments
        self._deadline, self._cancel = deadline, cancel

    def make_folder(self) -> None:
        folder, root = self._given["folder"], self._given["root"]
        if self._stat(folder) is not None:
            return
        if root and self._stat(root) is None:
            raise CopyFailed(FailureKind.UNREACHABLE, f"{root}: the storage's folder is not there")
        self._do("gfal-mkdir", "--parents", folder)

    def copy(self) -> None:
        given = self._given
        words = ["--force", "--transfer-timeout", self._seconds()]
        if given["streams"]:
            words += ["--nbstreams", str(given["streams"])]
        if given["verify"]:
            words += ["--checksum", given["verify"].rstrip(":")]
        self._do("gfal-copy", *words, given["source"], given["target"])

    def stat(self) -> Optional[dict[str, Any]]:
        return self._stat(self._given["url"])

    def checksum(self) -> str:
        return self._do("gfal-sum", self._given["url"], self._given["algorithm"].upper()).split()[-1].lower()

    def rename(self) -> None:
        self._do("gfal-rename", self._given["source"], self._given["target"])

    def remove(self) -> None:
        ran = self._run("gfal-rm", self._given["url"])
        if ran.status == _ABSENT and "MISSING" in ran.output:
            raise CopyFailed(FailureKind.NO_SUCH_FILE, ran.output.strip())
        if ran.status:
            raise ran.failure()

    def _stat(self, url: str) -> Optional[dict[str, Any]]:
        ran = self._run("gfal-stat", url)
        if ran.status == _ABSENT and "error: 2 " in ran.errors:
            return None
        found = _SIZE.search(ran.output)
        if ran.status or found is None:
            raise ran.failure()
        return {"size": int(found[1]), "file": "regular" in found[2]}

    def _do(self, program: str, *words: str) -> str:
        ran = self._run(program, *words)
        if ran.status:
            raise CopyFailed(None, ran.failure().words)
        return ran.output

    def _run(self, program: str, *words: str) -> Ran:
        settings = self._given["settings"]
        options = [word for option in settings["options"] for word in ("-D", option)]
        argv: Sequence[str] = [program, "--timeout", self._seconds(), *options, *words]
        if settings["token_file"]:
            argv = ["/bin/sh", "-c", _SHOWING, settings["token_file"], *argv]
        ran = run(argv, self._deadline, self._cancel, environment=self._environment, setup=self._setup)
        if ran.status in CANNOT_RUN:
            neither = f"neither its Python module (gfal.python) nor {program}"
            raise NotHere(None, f"gfal2 is not on this node, {neither}: {ran.failure().words}")
        return ran

    def _seconds(self) -> str:
        return str(max(1, int(self._deadline.left())))
