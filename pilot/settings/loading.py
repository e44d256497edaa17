"""From configuration files, the environment and options to settings: in layers, a later one over an earlier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Optional

from pilot.contract.addresses import cleaned
from pilot.contract.named import NamedTuple
from pilot.errors import ConfigError
from pilot.settings.declaring import LONGEST
from pilot.settings.everything import SECTIONS, Settings
from pilot.settings.panda import panda_layers

SYSTEM_FILE = Path("/etc/compass-pilot.yaml")
LOCAL_FILE = "compass-pilot.yaml"
FILE_VARIABLE = "COMPASS_PILOT_CONFIG"
PREFIX = "COMPASS_PILOT__"

#: (where it comes from, {section: {key: value}}); values of the environment are text and are read as YAML.
Layer = tuple[str, Mapping[str, Mapping[str, Any]]]


class Loaded(NamedTuple):
    """Settings, and where each value that is not a default came from: (section, key) -> layer."""

    settings: Settings
    origins: Mapping[tuple[str, str], str]

    def lines(self) -> list[str]:
        """Write each value with its origin, one line each."""
        read = self.settings.evolve()  # a copy: to be printed is not to be mentioned
        return [
            f"{section}.{spec.name} = {_shown(getattr(getattr(read, section), spec.name))}"
            f"  # {self.origins.get((section, spec.name), 'default')}"
            for section, kind in SECTIONS.items()
            for spec in fields(kind)
        ]


def _shown(value: Any) -> str:
    """Write a value without the secrets that an address may hold: it goes into logs."""
    return cleaned(repr(value))


def load(layers: Iterable[Layer]) -> Loaded:
    """Lay configuration layers over the defaults, later over earlier.

    Raises:
        ConfigError: a section or key that does not exist, or a value of the wrong type or out of its limits. The
            message names the layer, the key and, where one is close, the key that was meant.
    """
    chosen: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[str, str], str] = {}
    for origin, layer in layers:
        for section, values in layer.items():
            known = {spec.name: spec for spec in fields(_pick(section, SECTIONS, origin))}
            given = chosen.setdefault(section, {})
            if not isinstance(values, Mapping):
                raise ConfigError(f"{origin}: {section} is {values!r}; keys and values are expected below it")
            for name, value in values.items():
                spec = _pick(name, known, origin, within=f"{section}.")
                given[name] = _checked(value, spec, f"{origin}: {section}.{name}")
                origins[section, name] = origin
    made: dict[str, Any] = {name: SECTIONS[name](**given) for name, given in chosen.items()}
    return Loaded(Settings(**made), origins)


def _pick(name: Any, known: Mapping[str, Any], origin: str, within: str = "") -> Any:
    if name in known:
        return known[name]
    import difflib  # only when somebody mistyped

    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    raise ConfigError(f"{origin}: {within}{name} is not a setting{hint}")


_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of texts"}


def _checked(value: Any, spec: Any, where: str) -> Any:
    kind = type(spec.default)
    if kind is float and type(value) is int and abs(value) < 1e300:
        value = float(value)
    if kind is tuple and isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = tuple(value)
    if type(value) is not kind or value != value:
        unit = f" (unit: {spec.metadata['unit']})" if spec.metadata["unit"] else ""
        raise ConfigError(f"{where} is {value!r}; {_EXPECTED[kind]} is expected{unit}")
    words = spec.metadata.get("words")
    if words and value not in words:
        raise ConfigError(f"{where} is {value!r}; one of {', '.join(words)} is expected")
    low, high, unit = spec.metadata.get("low"), spec.metadata.get("high"), spec.metadata["unit"]
    if high is None and unit == "s":
        high = LONGEST
    if low is not None and value < low:
        raise ConfigError(f"{where} is {value}; the least allowed is {low} {unit}".rstrip())
    if high is not None and value > high:
        raise ConfigError(f"{where} is {value}; the most allowed is {high} {unit}".rstrip())
    return value


def read_file(path: Path, *, needed: bool = True) -> list[Layer]:
    """Read one YAML file as a layer; ``[]`` for one that need not be there and is not.

    Raises:
        ConfigError: it cannot be read, or is not YAML with sections; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as wrong:
        if not needed:
            return []
        raise ConfigError(f"{path}: there is no such file") from wrong
    except (OSError, UnicodeDecodeError) as wrong:
        raise ConfigError(f"{path}: cannot be read: {wrong}") from wrong
    found = _parse(text, str(path))
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: sections such as 'monitor:' are expected, not {type(found).__name__}")
    return [(str(path), {name: {} if values is None else values for name, values in found.items()})]


def _parse(text: str, where: str) -> Any:
    import yaml

    class Once(yaml.SafeLoader):
        """Takes no key twice: the earlier one, with all that is below it, would be lost without a word."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set[str]()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise ConfigError(f"{where}, line {key.start_mark.line + 1}: {key.value} is there twice; leave one")
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Once)  # noqa: S506 # it is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:  # the latter two of a date that is none, and of depth
        mark = getattr(wrong, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not YAML: {getattr(wrong, 'problem', None) or wrong}") from wrong


def from_environment(environment: Mapping[str, str]) -> list[Layer]:
    """Read ``COMPASS_PILOT__SECTION__KEY`` variables, one layer each, so that a slip names its variable."""
    layers: list[Layer] = []
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        section, separator, name = variable[len(PREFIX) :].lower().partition("__")
        if not separator:
            raise ConfigError(f"${variable}: names no setting; {PREFIX}SECTION__KEY is expected")
        known = {spec.name: spec for spec in fields(SECTIONS[section])} if section in SECTIONS else {}
        text = environment[variable]
        is_text = name in known and isinstance(known[name].default, str)
        layers.append((f"${variable}", {section: {name: text if is_text else _parse(text, f"${variable}")}}))
    return layers


def layers(
    config: Optional[str], options: Sequence[Layer], *, environment: Optional[Mapping[str, str]] = None
) -> list[Layer]:
    """Collect every layer but the defaults, in their order.

    Raises:
        ConfigError: a file cannot be read or is no YAML.
    """
    env = os.environ if environment is None else environment
    named = env.get(FILE_VARIABLE)
    return [
        *panda_layers(env),
        *read_file(SYSTEM_FILE, needed=False),
        *read_file(Path(LOCAL_FILE), needed=False),
        *(read_file(Path(named)) if named else []),
        *from_environment(env),
        *(read_file(Path(config)) if config else []),
        *options,
    ]


def environment() -> dict[str, str]:
    """Answer the pilot's own environment; a payload gets an allow-list of it."""
    return dict(os.environ)
