"""What reports say of the node's processors and GPUs, in PanDA's words. Read once, when the first job is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilot.site.cpu import Cpu
    from pilot.site.gpus import Gpu

#: Of these the best is named.
_INSTRUCTIONS = (("avx512f", "AVX512"), ("avx2", "AVX2"), ("avx", "AVX"))


class Hardware(NamedTuple):
    """The processors' model, number and best instructions; their level; the GPUs' model and number."""

    cpu: str = ""
    level: str = ""
    gpu: str = ""
    gpus: int = 0


def described(cpu: Cpu, gpus: Sequence[Gpu]) -> Hardware:
    """Write, for instance, ``AMD EPYC 7702 64-Core Processor 2-Socket+AVX2``."""
    cores = f" {cpu.cores_per_socket}-Core" if cpu.cores_per_socket and "-Core" not in cpu.model else ""
    sockets = f" {cpu.sockets}-Socket" if cpu.sockets else ""
    best = next((f"+{word}" for flag, word in _INSTRUCTIONS if flag in cpu.flags), "")
    models = sorted({gpu.model for gpu in gpus})
    return Hardware(f"{cpu.model}{cores}{sockets}{best}", cpu.level, "+".join(models), len(gpus))


def found() -> Hardware:
    """Look at this node. Takes some seconds where GPUs do not answer."""
    from pilot.api.environment import Environment

    here = Environment()
    return described(here.cpu, here.gpus)
