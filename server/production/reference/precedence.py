"""Which of several limits holds: the most specific one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from server.production.limits import Limits

_DEFAULTS: Mapping[str, int] = asdict(Limits())


@dataclass(frozen=True)
class Layer:
    """What one place says; ``origin`` names it: ``settings``, ``type dy_mass``, ``site BW_COMPASS_MCORE``, ``task``."""

    origin: str
    values: Mapping[str, int]


@dataclass(frozen=True)
class Settled:
    """Every limit, and where those that are not the product's default come from."""

    limits: Limits
    origins: Mapping[str, str]

    def origin(self, name: str) -> str:
        return self.origins.get(name, "default")


def settle(layers: Iterable[Layer]) -> Settled:
    """Lay limits over the product's defaults, the most specific ones last.

    What no limit is called any more (a row may be older than the product) is passed over.
    """
    values, origins = dict(_DEFAULTS), dict[str, str]()
    for layer in layers:
        known = {name: value for name, value in layer.values.items() if name in values}
        values |= known
        origins |= dict.fromkeys(known, layer.origin)
    return Settled(Limits(**values), origins)
