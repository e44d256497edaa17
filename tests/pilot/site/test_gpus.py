"""GPUs, by the program and by what drivers tell."""

from __future__ import annotations

import sys
import time

import pytest

from pilot.site import gpus
from pilot.site.gpus import Gpu
from pilot.site.tree import Tree


def write(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(tmp_path)


NVIDIA = {
    "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n",
    "proc/driver/nvidia/gpus/0000:3b:00.0/information": "Model: \t\t Tesla T4\nGPU UUID: \t GPU-1\n",
}


def test_nvidia_smi_is_asked_where_its_driver_is(tmp_path):
    said = "Tesla T4, GPU-1, 15360, 550.54.15, 7.5\nA100, GPU-2, [N/A], 550.54.15, 8.0\nNo devices\n"
    asked = []
    found = gpus.read(write(tmp_path, NVIDIA), within=3, ask=lambda argv, s: asked.append((argv[0], s)) or said)
    assert asked == [("nvidia-smi", 3)]
    assert found == (
        Gpu("NVIDIA", "Tesla T4", "GPU-1", 15360 * 2**20, "550.54.15", "7.5"),
        Gpu("NVIDIA", "A100", "GPU-2", 0, "550.54.15", "8.0"),
    )


def test_without_the_program_the_driver_tells(tmp_path):
    found = gpus.read(write(tmp_path, NVIDIA), ask=lambda *_: None)
    assert found == (Gpu("NVIDIA", "Tesla T4", "GPU-1", driver="550.54.15"),)


def test_cards_of_amd_stand_in_sys(tmp_path):
    card = "sys/class/drm/card1/device"
    made = write(
        tmp_path,
        {
            f"{card}/vendor": "0x1002\n",
            f"{card}/product_name": "Instinct MI250",
            f"{card}/mem_info_vram_total": "68702699520",
            "sys/class/drm/card0/device/vendor": "0x1a03\n",
            "sys/class/drm/card1-DP-1/device/vendor": "0x1002\n",
            "sys/module/amdgpu/version": "6.3.6",
        },
    )
    assert gpus.read(made) == (Gpu("AMD", "Instinct MI250", "", 68702699520, "6.3.6"),)


def test_on_a_node_without_drivers_no_program_is_started(tmp_path):
    assert gpus.read(Tree(tmp_path), ask=lambda *_: pytest.fail("a program was started")) == ()


@pytest.mark.parametrize(
    "argv",
    [["/no/such/program"], [sys.executable, "-c", "exit(9)"], [sys.executable, "-c", "input(open('/dev/zero'))"]],
)
def test_a_program_that_is_not_there_fails_or_hangs_says_nothing(argv):
    began = time.monotonic()
    assert gpus.ask(argv, 0.5) is None
    assert time.monotonic() - began < 30


def test_what_a_program_writes_is_its_answer():
    assert gpus.ask([sys.executable, "-c", "print('x')"], 20) == "x\n"
