"""A file as PanDA's pilot has it: its callers read from it, and write to it, what becomes of the file."""

from __future__ import annotations

from typing import Any, Optional

from pilot.api.file_lists import FileLike, checksum_of, read_files
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec as Ordered
from pilot.contract.job import Role

#: Words of ``status`` after which nothing is left to do.
SETTLED = ("transferred", "remote_io", "no_transfer")
_TEXTS = ("lfn", "scope", "dataset", "ddmendpoint", "guid", "workdir")
_ROLES = {"input": Role.INPUT, "log": Role.LOG}


class FileSpec:
    """One file, and what became of it: ``status`` (``None``, ``transferred``, ``failed``), ``status_code``, ``errmsg``.

    ``checksum`` is a dictionary by algorithm (``adler32``, ``md5``), ``filesize`` in bytes. Whatever else is given by
    name is kept under it, and means nothing.
    """

    def __init__(self, filetype: str = "input", **data: Any) -> None:
        """Take a file; ``type`` is another word for ``filetype``. ``checksum`` may be ``ad:hex`` or ``md:hex``."""
        self.filetype = str(data.pop("type", None) or filetype)
        self.lfn = self.scope = self.dataset = self.ddmendpoint = self.guid = self.workdir = ""
        self.filesize = 0
        self.checksum: dict[str, str] = {}
        self.status: Optional[str] = None
        self.status_code, self.errmsg = 0, ""
        self.turl = self.surl = ""
        self.replicas: Optional[list[dict[str, Any]]] = None
        self.protocols: Optional[list[dict[str, Any]]] = None
        self.inputddms: list[str] = []
        self.ddm_activity: Optional[list[str]] = None
        self.allow_lan = self.allow_wan = True
        self.direct_access_lan = self.direct_access_wan = False
        self.accessmode = ""
        for name, value in data.items():
            setattr(self, name, _value(name, value))

    def is_directaccess(self, *_: object, **__: object) -> bool:
        """Answer that it is copied: these clients bring every file."""
        return False

    def require_transfer(self) -> bool:
        """Say whether there is something left to do."""
        return self.status not in SETTLED

    def ordered(self, role: Optional[Role] = None) -> Ordered:
        """Answer the file as the Data API takes it.

        Raises:
            ConfigError: it cannot be staged; the message names the field and the value.
        """
        said: FileLike = {
            **{name: getattr(self, name) for name in _TEXTS if name != "workdir"},
            "size": self.filesize or None,
            "checksum": self.checksum or None,
            "urls": [replica["pfn"] for replica in self.replicas or () if replica.get("pfn")] or None,
        }
        return read_files([said], role or _ROLES.get(self.filetype, Role.OUTPUT))[0]

    def __repr__(self) -> str:
        said = {name: value for name, value in vars(self).items() if value not in (None, "", [], {})}
        return f"FileSpec({', '.join(f'{name}={value!r}' for name, value in said.items())})"


def _value(name: str, value: Any) -> Any:
    if name == "checksum":
        return _checksum(value)
    if name == "filesize":
        return int(value or 0)
    return "" if value is None and name in _TEXTS else value


def _checksum(value: Any) -> dict[str, str]:
    """Read a checksum into a dictionary by algorithm; what is none is left to `ordered` to refuse."""
    if isinstance(value, dict):
        return {name: text for name, text in value.items() if text}
    if value is None:
        return {}
    try:
        algorithm, _, text = (checksum_of(value) or "").partition(":")
    except ContractError:
        return {"adler32": str(value)}
    return {algorithm: text} if algorithm else {}
