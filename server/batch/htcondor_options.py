"""What an admin says of an HTCondor and of a queue there, and what of it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.batch.base import BatchMisconfigured
from server.batch.htcondor_words import RESERVED, refuse_odd_text
from server.batch.place import Place

#: The longest time that an option may say, in seconds.
LONGEST = 30 * 86400.0
_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_ADDRESS = re.compile(r"[\w.@<>\[\]?&=:/,%+-]+", re.ASCII)
_GROUP = re.compile(r"[\w.@-]+", re.ASCII)
_GRID = re.compile(r"condor [\w.@:-]+ [\w.@:-]+", re.ASCII)
_STATUSES = re.compile(r"\d{1,3}(, *\d{1,3})*", re.ASCII)


@dataclass(frozen=True)
class HTCondorOptions:
    """Where a schedd is, and how it is spoken with.

    ``pool`` and ``schedd``: the collector's address and the schedd's name; this machine's own when left out.
    ``config``: a configuration file of HTCondor's instead of the machine's, or ``ONLY_ENV`` for none.
    ``spool``: files go to the schedd and come back from it, because it sees none of ours.
    ``ce``: the schedd is a computing element's, or routes to one: needs are said in its words too.
    ``token_directory``, ``scitoken``, ``proxy``: credentials, as a folder of HTCondor's own tokens, and files of a
    SciToken and of a proxy; the last two go with the jobs. Times are in seconds: ``patience`` is the longest silence of
    the schedd, ``submit_patience`` while it takes jobs and their files, ``history_patience`` while it reads its records
    of ended jobs, of which it is asked for ``history_at_once`` at a time. ``force_after`` its grace a job that was to
    go is forgotten by the schedd, whatever became of it. A process that speaks with the schedd ends when nothing was
    asked of it for ``idle``.
    """

    pool: str = ""
    schedd: str = ""
    config: str = ""
    spool: bool = False
    ce: bool = False
    token_directory: str = ""
    scitoken: str = ""
    proxy: str = ""
    patience: float = 60.0
    submit_patience: float = 600.0
    history_patience: float = 300.0
    history_at_once: int = 500
    force_after: float = 900.0
    idle: float = 300.0

    def check(self, place: Place) -> None:
        """Refuse what cannot be.

        Raises:
            BatchMisconfigured: naming the option, its value and the remedy.
        """
        for name in ("pool", "schedd"):
            said = getattr(self, name)
            if said and not _ADDRESS.fullmatch(said):
                raise place.wrong(f"options.{name}", f"{said!r} is no name or address of HTCondor's")
        if self.pool and not self.schedd:
            raise place.wrong("options.schedd", "name the schedd of that pool, as condor_status -schedd lists it")
        for name in ("config", "token_directory", "scitoken", "proxy"):
            said = getattr(self, name)
            if said and not Path(said).is_absolute() and (name, said) != ("config", "ONLY_ENV"):
                raise place.wrong(f"options.{name}", f"{said!r} is no absolute path")
        self._check_numbers(place)

    def _check_numbers(self, place: Place) -> None:
        for name in ("patience", "submit_patience", "history_patience", "force_after", "idle"):
            if not 0 < getattr(self, name) <= LONGEST:
                raise place.wrong(
                    f"options.{name}", f"{getattr(self, name)} is no time above 0 and up to {LONGEST:.0f} s"
                )
        if not 1 <= self.history_at_once <= 10_000:
            raise place.wrong("options.history_at_once", f"{self.history_at_once} is not between 1 and 10000")

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process that asks has in its environment: settings, and files of credentials, never their text."""
        return dict(self._variables())

    def _variables(self) -> Iterator[tuple[str, str]]:
        if self.config:
            yield "CONDOR_CONFIG", self.config
        methods = []
        if self.scitoken:
            methods.append("SCITOKENS")
            yield "_CONDOR_SCITOKENS_FILE", self.scitoken
        if self.token_directory:
            methods.append("IDTOKENS")
            yield "_CONDOR_SEC_TOKEN_DIRECTORY", self.token_directory
            # Where root's are looked for.
            yield "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY", self.token_directory
        if self.proxy:
            methods.append("SSL")
            yield "X509_USER_PROXY", self.proxy
            yield "_CONDOR_AUTH_SSL_CLIENT_CERTFILE", self.proxy
            yield "_CONDOR_AUTH_SSL_CLIENT_KEYFILE", self.proxy
        if methods:
            yield "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS", ",".join(methods)
            yield "_CONDOR_SEC_CLIENT_AUTHENTICATION", "REQUIRED"


@dataclass(frozen=True)
class HTCondorJobOptions:
    """What a queue adds to each of its jobs.

    ``requirements``, ``rank``: expressions of ClassAds. ``attributes``: further attributes of the job, such as those by
    which a computing element routes; a value is a number, ``true``, ``false``, or else text. ``grid_resource``:
    ``condor SCHEDD COLLECTOR`` of a computing element that our schedd passes the jobs on to. ``container_image``: what
    they run in. ``hold_on``: exit statuses after which a job is held for a look at it. ``held_limit``: seconds after
    which a held job is removed. ``stream``: stdout and stderr come while a job runs, not only when it has ended.
    """

    requirements: str = ""
    rank: str = ""
    accounting_group: str = ""
    accounting_user: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    grid_resource: str = ""
    container_image: str = ""
    priority: int = 0
    hold_on: str = ""
    held_limit: float = 86400.0
    stream: bool = False

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            BatchMisconfigured: naming the option, its value and the remedy.
        """
        for name in ("requirements", "rank", "container_image"):
            refuse_odd_text(f"job options.{name}", getattr(self, name))
        self._check_form("accounting_group", _GROUP, "letters, digits, . _ - and @ only")
        self._check_form("accounting_user", _GROUP, "letters, digits, . _ - and @ only")
        self._check_form("grid_resource", _GRID, "expected: condor SCHEDD COLLECTOR:PORT")
        self._check_form("hold_on", _STATUSES, "expected: exit statuses such as 76, 94")
        if "," in self.container_image:
            raise _wrong("container_image", self.container_image, "one image, without a comma in its name")
        if self.grid_resource and self.container_image:
            raise _wrong("container_image", self.container_image, "not together with grid_resource")
        if not 0 < self.held_limit <= LONGEST:
            raise _wrong("held_limit", self.held_limit, f"expected: seconds above 0 and up to {LONGEST:.0f}")
        for name, value in self.attributes.items():
            self._check_attribute(name, value)

    def _check_form(self, name: str, form: re.Pattern[str], words: str) -> None:
        said = getattr(self, name)
        if said and not form.fullmatch(said):
            raise _wrong(name, said, words)

    def _check_attribute(self, name: str, value: object) -> None:
        where = f"attributes.{name}"
        if not _NAME.fullmatch(name):
            raise _wrong(where, name, "the name of an attribute has letters, digits and _ only")
        if name.lower() in RESERVED:
            raise _wrong(where, name, "this attribute is written by the server itself")
        if not isinstance(value, (str, int, float)):
            raise _wrong(where, value, "expected: a number, true, false or text")
        refuse_odd_text(f"job options.{where}", str(value))


def _wrong(name: str, value: object, words: str) -> BatchMisconfigured:
    return BatchMisconfigured(f"batch system htcondor: job options.{name}: {value!r}: {words}")
