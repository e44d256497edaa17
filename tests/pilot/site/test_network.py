"""The network, as the kernel's files tell it."""

from __future__ import annotations

import pytest

from pilot.site import network
from pilot.site.tree import Tree

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
LOCAL = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
OUT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
DOWN = OUT.replace("0003", "0002")


def node(tmp_path, routes="", routes_v6=""):
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/route").write_text(routes)
    (tmp_path / "proc/net/ipv6_route").write_text(routes_v6)
    for name, state in {"eth0": "up", "eth1": "down", "tun0": "unknown", "lo": "unknown"}.items():
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
        (tmp_path / "sys/class/net" / name / "operstate").write_text(f"{state}\n")
    return network.read(Tree(tmp_path), host=lambda: "node7")


def test_the_interfaces_that_are_up_are_named_without_the_loopback(tmp_path):
    found = node(tmp_path)
    assert (found.host, found.up) == ("node7", ("eth0", "tun0"))


@pytest.mark.parametrize(("routes", "out"), [(HEAD + LOCAL + OUT, True), (HEAD + LOCAL, False), (HEAD + DOWN, False)])
def test_a_default_route_leads_out(tmp_path, routes, out):
    assert node(tmp_path, routes).default_route is out


@pytest.mark.parametrize(("interface", "out"), [("eth0", True), ("lo", False)])
def test_a_default_route_of_ipv6_leads_out_unless_it_is_the_kernels_own_refusal(tmp_path, interface, out):
    zero = "0" * 32
    line = f"{zero} 00 {zero} 00 fe80{'0' * 28} 00000400 00000001 00000000 00000003 {interface}\n"
    assert node(tmp_path, routes_v6=line).default_route_v6 is out
