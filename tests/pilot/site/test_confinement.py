"""Cgroups of both versions with their limits, containers, user namespaces; on trees made for the purpose."""

from __future__ import annotations

import pytest

from pilot.site import confinement
from pilot.site.confinement import Cgroup, Container
from pilot.site.tree import Tree


def write(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(tmp_path)


V2 = "30 1 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = (
    "31 1 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
)


def test_the_least_limit_up_to_the_root_counts(tmp_path):
    made = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slot/job\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/slot/memory.max": "1000000\n",
            "sys/fs/cgroup/slot/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/slot/job/memory.max": "max\n",
            "sys/fs/cgroup/slot/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slot/job/cgroup.controllers": "cpu memory pids\n",
        },
    )
    assert confinement.cgroup(made) == Cgroup(
        version=2,
        path="/sys/fs/cgroup/slot/job",
        controllers=("cpu", "memory", "pids"),
        delegated=False,
        memory=1_000_000,
        cores=1.5,
    )


def test_a_group_whose_files_may_be_written_is_delegated(tmp_path):
    names = ("cgroup.procs", "cgroup.subtree_control", "cgroup.controllers")
    made = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/mine\n",
            "proc/self/mountinfo": V2,
            **{f"sys/fs/cgroup/mine/{name}": "memory" for name in names},
        },
    )
    assert confinement.cgroup(made).delegated


def test_version_1_limits_memory_where_version_2_does_not(tmp_path):
    made = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/box\n1:cpu,cpuacct:/box\n0::/\n",
            "proc/self/mountinfo": V1 + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n",
        },
    )
    found = confinement.cgroup(made)
    assert (found.version, found.path, found.memory) == (1, "/sys/fs/cgroup/memory/box", 2000)
    assert (found.controllers, found.cores) == (("hugetlb",), 2.0)


def test_a_very_large_limit_is_none(tmp_path):
    made = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n",
            "proc/self/mountinfo": V1,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        },
    )
    assert confinement.cgroup(made) == Cgroup(version=1, path="/sys/fs/cgroup/memory")


def test_inside_a_container_only_a_part_of_the_hierarchy_is_seen(tmp_path):
    made = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/docker/abc/inner\n",
            "proc/self/mountinfo": V2.replace(" / /sys", " /docker/abc /sys"),
            "sys/fs/cgroup/inner/memory.max": "5",
        },
    )
    found = confinement.cgroup(made)
    assert (found.path, found.memory) == ("/sys/fs/cgroup/inner", 5)


def test_a_group_outside_of_what_is_seen_is_its_root(tmp_path):
    made = write(
        tmp_path,
        {"proc/self/cgroup": "0::/../x\n", "proc/self/mountinfo": V2.replace(" / /sys", " /docker/abc /sys")},
    )
    assert confinement.cgroup(made).path == "/sys/fs/cgroup"


def test_without_cgroups_there_is_no_limit(tmp_path):
    assert confinement.cgroup(Tree(tmp_path)) == Cgroup()


@pytest.mark.parametrize(
    ("file", "variables", "found"),
    [
        (None, {}, Container()),
        (".dockerenv", {}, Container("docker")),
        ("run/.containerenv", {}, Container("podman")),
        (".singularity.d", {"SINGULARITY_CONTAINER": "/x.sif"}, Container("singularity", "/x.sif")),
        (".singularity.d", {"APPTAINER_CONTAINER": "/x.sif"}, Container("apptainer", "/x.sif")),
        (".dockerenv", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Container("kubernetes")),
        (None, {"container": "lxc"}, Container("lxc")),
    ],
)
def test_a_container_is_known_by_its_traces(tmp_path, file, variables, found):
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert confinement.container(Tree(tmp_path), variables) == found


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, False),
        ({"proc/sys/user/max_user_namespaces": "100"}, True),
        ({"proc/sys/user/max_user_namespaces": "0"}, False),
        ({"proc/self/ns/user": ""}, True),
        ({"proc/sys/user/max_user_namespaces": "100", "proc/sys/kernel/unprivileged_userns_clone": "0"}, False),
        (
            {"proc/sys/user/max_user_namespaces": "9", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
            False,
        ),
    ],
)
def test_user_namespaces_are_allowed_unless_something_forbids_them(tmp_path, files, allowed):
    assert confinement.user_namespaces(write(tmp_path, files)) is allowed
