"""The node's GPUs: by nvidia-smi where it is, else by what the drivers tell in /proc and /sys."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Optional

from pilot.site.tree import Tree

MB = 2**20
#: Asked for in this order.
_FIELDS = ("name", "uuid", "memory.total", "driver_version", "compute_cap")
QUESTION = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
_AMD = "0x1002"


@dataclass(frozen=True)
class Gpu:
    """One GPU. ``memory`` in bytes, 0 where nobody says; ``capability`` is NVIDIA's number of its architecture."""

    vendor: str
    model: str
    uuid: str = ""
    memory: int = 0
    driver: str = ""
    capability: str = ""


def ask(argv: Sequence[str], seconds: float) -> Optional[str]:
    """Run a program and answer what it wrote; ``None`` when it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def read(
    tree: Tree, *, within: float = 10.0, ask: Callable[[Sequence[str], float], Optional[str]] = ask
) -> tuple[Gpu, ...]:
    """Find every GPU. Takes at most ``within`` seconds, on a node whose driver hangs.

    No program is started on a node without NVIDIA's driver.
    """
    nvidia: tuple[Gpu, ...] = ()
    if tree.path("proc/driver/nvidia").is_dir():
        said = ask(QUESTION, within)
        nvidia = _told(said) if said is not None else _from_proc(tree)
    return (*nvidia, *_amd(tree))


def _told(said: str) -> tuple[Gpu, ...]:
    found = []
    for line in said.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_FIELDS):
            model, uuid, memory, driver, capability = cells
            size = int(float(memory)) * MB if memory.replace(".", "", 1).isdigit() else 0
            found.append(Gpu("NVIDIA", model, uuid, size, driver, capability))
    return tuple(found)


def _from_proc(tree: Tree) -> tuple[Gpu, ...]:
    base = "proc/driver/nvidia"
    words = tree.text(f"{base}/version").partition("Kernel Module")[2].split()
    driver = next((word for word in words if word[0].isdigit()), "")
    found = []
    for name in tree.names(f"{base}/gpus"):
        facts = tree.pairs(f"{base}/gpus/{name}/information")
        found.append(Gpu("NVIDIA", facts.get("Model", "unknown"), facts.get("GPU UUID", ""), driver=driver))
    return tuple(found)


def _amd(tree: Tree) -> tuple[Gpu, ...]:
    driver = tree.text("sys/module/amdgpu/version")
    found = []
    for name in tree.names("sys/class/drm"):
        base = f"sys/class/drm/{name}/device"
        if name.startswith("card") and name[4:].isdigit() and tree.text(f"{base}/vendor") == _AMD:
            model = tree.text(f"{base}/product_name") or tree.text(f"{base}/device") or "unknown"
            memory = tree.whole(f"{base}/mem_info_vram_total") or 0
            found.append(Gpu("AMD", model, tree.text(f"{base}/unique_id"), memory, driver))
    return tuple(found)
