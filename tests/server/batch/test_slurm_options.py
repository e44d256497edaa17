"""What is said of a Slurm, and what a queue asks of it, is checked letter by letter before anything is submitted."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from server.batch.base import BatchMisconfigured, Needs
from server.batch.place import Place, read_job_options
from server.batch.slurm import SlurmBatch
from server.batch.slurm_options import EXTRA, SlurmJobOptions, job_arguments, need_arguments, read_system

HOSTILE = ["x\n#SBATCH --wrap=id", "a b", "$(id)", "`id`", "x;id", "'", '"', "\\", "\0", "é", "a\n"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folder": "shared"}, "options.folder: 'shared': give an absolute path"),
        ({"folder": "/a%j"}, "options.folder"),
        ({"folder": "/a\\b"}, "options.folder"),
        ({"conf": "slurm.conf"}, "options.conf"),
        ({"programs": "bin"}, "options.programs"),
        ({"clusters": "a b"}, "options.clusters"),
        ({"clusters": "-x"}, "options.clusters"),
        ({"clusters": "a,"}, "options.clusters: 'a,': give names parted by commas, such as alpha,beta"),
        ({"clusters": "a,,b"}, "options.clusters"),
        ({"python": ""}, "options.python"),
        ({"timeout": 0}, "options.timeout: 0"),
        ({"timeout": 1e9}, "options.timeout"),
        ({"acounting": True}, "acounting: no such field"),
    ],
)
def test_an_option_that_cannot_be_so_is_told_with_the_remedy(tmp_path, options, words):
    with pytest.raises(BatchMisconfigured, match=f"batch system here: {words}"):
        SlurmBatch.open(Place("here", tmp_path, options))


@pytest.mark.parametrize("name", ["../x", "", "a/b", "-x"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(BatchMisconfigured, match="name: "):
        read_system(Place(name, tmp_path))


def test_every_option_of_a_queue_becomes_one_word():
    said = SlurmJobOptions("a,b", "na58", "high", "res_1", "intel&gpu", "gpu:a100:2", {"nice": "100", "contiguous": ""})
    assert job_arguments(said) == [
        *("--partition=a,b", "--account=na58", "--qos=high", "--reservation=res_1", "--constraint=intel&gpu"),
        *("--gres=gpu:a100:2", "--nice=100", "--contiguous"),
    ]


def test_what_a_queue_does_not_say_is_left_to_slurm():
    assert job_arguments(SlurmJobOptions()) == []


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["partition", "account", "qos", "reservation", "constraint", "gres"])
def test_no_value_can_be_more_than_one(name, value):
    with pytest.raises(ContractError, match=f"job options.{name}: .* has letters"):
        SlurmJobOptions(**{name: value})


@pytest.mark.parametrize("name", sorted(name for name, valued in EXTRA.items() if valued))
def test_no_value_of_a_further_option_can_be_more_than_one(name):
    assert job_arguments(SlurmJobOptions(extra={name: "2"})) == [f"--{name}=2"]
    for value in HOSTILE:
        with pytest.raises(ContractError, match=f"job options.extra.{name}: .* has letters"):
            SlurmJobOptions(extra={name: value})


@pytest.mark.parametrize(
    "name", ["wrap", "output", "job-name", "array", "export", "chdir", "requeue", "uid", "--nice", ""]
)
def test_an_option_that_could_change_what_runs_is_refused_with_those_that_are_allowed(name):
    with pytest.raises(ContractError, match="no option of sbatch that a queue may add; there are .*nodelist"):
        SlurmJobOptions(extra={name: "x"})


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"contiguous": "yes"}, "it has no value"),
        ({"nice": ""}, "a value is expected"),
        ({"nice": 100}, "a value is expected, as text"),
        ({"nodelist": "/etc/passwd"}, "has letters"),
        ({"exclude": "./nodes"}, "has letters"),
    ],
)
def test_a_further_option_has_a_value_of_its_kind(extra, words):
    with pytest.raises(ContractError, match=words):
        SlurmJobOptions(extra=extra)


def test_what_a_job_needs_is_asked_of_slurm_in_its_own_units():
    needs = Needs(nodes=2, cores=8, memory=16 * 2**30 + 1, disk=10 * 2**30, wall_time=3601.0)
    assert need_arguments(needs, 60.0) == [
        *("--nodes=2", "--ntasks=2", "--cpus-per-task=8", "--mem=16385M", "--tmp=10240M", "--time=61"),
        "--signal=B:USR1@75",
    ]


def test_whole_nodes_come_with_all_their_memory():
    words = need_arguments(Needs(whole_nodes=True), 60.0)
    assert {"--exclusive", "--mem=0"} <= set(words)
    assert "--mem=100M" in need_arguments(Needs(whole_nodes=True, memory=100 * 2**20), 60.0)


@pytest.mark.parametrize(
    ("wall_time", "grace", "lead"),
    [(None, 60.0, 75), (86400.0, 600.0, 615), (60.0, 600.0, 30), (None, 1e6, 65535), (1.0, 60.0, 0)],
)
def test_the_signal_comes_in_time_for_an_end_in_order_and_leaves_half_of_a_short_time(wall_time, grace, lead):
    assert need_arguments(Needs(wall_time=wall_time), grace)[-1] == f"--signal=B:USR1@{lead}"


def test_what_a_queue_may_not_say_is_told_with_the_systems_name_before_anything_is_submitted():
    with pytest.raises(BatchMisconfigured, match="batch system here: job options.account: 'a b' has letters"):
        read_job_options("here", SlurmBatch, {"account": "a b"})
