"""Reads which files are to be staged: names, dictionaries or values; what is wrong is told by its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

from pilot.contract import naming
from pilot.contract.codec import INTEGER, TEXT, ContractError, read, says_something, shown
from pilot.contract.job import FileSpec, Role
from pilot.contract.job_wire import checksum_from_panda
from pilot.errors import ConfigError

#: What a file may be given as: a value, a name (``lfn`` or ``scope:lfn``), or a dictionary.
FileLike = Union[FileSpec, str, Mapping[str, Any]]

#: Keys of a dictionary: ours, then those of PanDA's pilot and of Rucio.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "lfn": ("lfn", "name"),
    "scope": ("scope",),
    "dataset": ("dataset",),
    "size": ("size", "filesize", "fsize", "bytes"),
    "checksum": ("checksum",),
    "endpoint": ("endpoint", "ddmendpoint", "rse"),
    "guid": ("guid",),
    "urls": ("urls", "url", "pfn"),
}
_FIELDS = {key: field for field, keys in _KEYS.items() for key in keys}
#: Checksums by their own keys, as Rucio lists them; the first that says something is taken.
_ALGORITHMS = ("adler32", "md5")
#: What else stands in Rucio's lists, and matters to no copy.
_PASSED_OVER = ("account", "did_type", "events", "parents", "pfns", "rses", "states", "type")
#: Bytes of the longest name of a file, less what stands at its end while it is copied.
_LONGEST = 255 - len(".part")


def read_files(files: Iterable[FileLike], role: Role, *, endpoint: str = "") -> tuple[FileSpec, ...]:
    """Read a list of files.

    Args:
        files: Any mixture of values, names and dictionaries.
        role: What they are; whatever the values say.
        endpoint: The storage of those that name none.

    Raises:
        ConfigError: one of them cannot be staged; the message names it by its number, the field and the value.
    """
    if isinstance(files, (str, bytes, Mapping, FileSpec)) or not isinstance(files, Iterable):
        raise ConfigError(f"files: {shown(files)} is not a list of files; put a single one into a list")
    found = [_read(file, role, f"file {at}", endpoint) for at, file in enumerate(files, start=1)]
    if not found:
        raise ConfigError("files: there are none; name at least one")
    return tuple(found)


def refuse_twins(files: Sequence[FileSpec]) -> None:
    """Refuse two files of one name, of which one would replace the other.

    Raises:
        ConfigError: there are two.
    """
    seen = set[str]()
    for file in files:
        if file.lfn in seen:
            raise ConfigError(f"files: {file.lfn} is named twice; stage one of them, or each to a folder of its own")
        seen.add(file.lfn)


def _read(file: FileLike, role: Role, where: str, endpoint: str) -> FileSpec:
    try:
        spec = _checked(_spec(file, role))
    except ContractError as wrong:
        raise ConfigError(f"{where}: {wrong}") from wrong
    return spec if spec.endpoint else spec.evolve(endpoint=endpoint)


def _spec(file: FileLike, role: Role) -> FileSpec:
    if isinstance(file, FileSpec):  # a value may have been made of anything
        return _from_mapping({name: getattr(file, name) for name in _KEYS}, role).evolve(copied=file.copied)
    if isinstance(file, str):
        scope, _, lfn = file.rpartition(":")
        return _from_mapping({"lfn": lfn, "scope": scope}, role)
    if isinstance(file, Mapping):
        return _from_mapping(file, role)
    raise ContractError(f"{shown(file)} is no file; give its name, a dictionary or a FileSpec")


def _from_mapping(said: Mapping[str, Any], role: Role) -> FileSpec:
    found: dict[str, Any] = {}
    for key, value in said.items():
        if key not in _FIELDS and key not in (*_ALGORITHMS, *_PASSED_OVER):
            raise ContractError(f"{shown(key)} is not a field of a file; there are {', '.join((*_KEYS, *_ALGORITHMS))}")
        if key in _FIELDS and says_something(value):
            field = _FIELDS[key]
            if field in found:
                raise ContractError(f"{key}: the {field} is given twice", field_name=key)
            found[field] = _value(field, key, value)
    if sums := {name: said[name] for name in _ALGORITHMS if says_something(said.get(name))}:
        found.setdefault("checksum", checksum_of(sums))
    if not found.get("lfn"):
        raise ContractError("lfn: missing; the name of the file is expected", field_name="lfn")
    return FileSpec(role=role, **found)


def _value(field: str, key: str, value: Any) -> Any:
    if field not in ("size", "urls"):
        _need_text(key, value)
    if field == "checksum":
        return checksum_of(value)
    if field == "urls":
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, (list, tuple)) or not all(isinstance(url, str) and "://" in url for url in listed):
            raise ContractError(f"{key}: {shown(value)} is not an address such as root://host//path", field_name=key)
        return tuple(listed)
    found = read(value, INTEGER if field == "size" else TEXT, key)
    if isinstance(value, str) and isinstance(found, str) and found != value:
        raise ContractError(f"{key}: {shown(value)} holds what no name can", field_name=key)
    return found


def _need_text(key: str, value: Any) -> None:
    """Refuse a number: of 00112233, which YAML takes for one, only 38043 is left."""
    if isinstance(value, (int, float)):
        raise ContractError(f"{key}: {shown(value)} is a number; text is expected, in quotes", field_name=key)


def checksum_of(value: Any) -> Optional[str]:
    """Read a checksum: ``ad:hex``, ``adler32:hex``, hex digits alone, or a dictionary by algorithm.

    Raises:
        ContractError: it is none.
    """
    if isinstance(value, Mapping):
        for name in _ALGORITHMS:
            _need_text(name, value.get(name))
        known = [f"{name}:{value[name]}" for name in _ALGORITHMS if value.get(name)]
        return checksum_from_panda(known[0]) if known else None
    return checksum_from_panda(read(value, TEXT, "checksum"))


def _checked(file: FileSpec) -> FileSpec:
    naming.storage_path(file.lfn, scope=file.scope, dataset=file.dataset, deterministic=False)
    naming.checked_folder(file.scope, "scope")
    if len(file.lfn.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ContractError(f"lfn: {shown(file.lfn)} is longer than {_LONGEST} bytes", field_name="lfn")
    if file.size is not None and file.size < 0:
        raise ContractError(f"size: {file.size} is not a number of bytes", field_name="size")
    return file
