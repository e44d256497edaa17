"""Jobs of queues with stock pilots: their program is an address, and the job is its argument."""

from __future__ import annotations

import json
import shlex
from urllib.parse import unquote

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, JobSpec, Program, Role
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.queue import QueueData
from pilot.contract.routes import CONTRACT_HEADER
from server.pandaconfig.logic import define_queue
from server.transforms.orders import KEY, order_of
from tests.server import jobs
from tests.server.dispatcher.conftest import GET_JOB, Peer

ADDRESS = "https://server.example/trf/user/compass-job"
HASH = "ab" * 32
SAID = {"transform": ADDRESS, "bundle": "/cvmfs/compass/pilot.pyz", "sha256": HASH}
IN = FileSpec("cdr.raw", Role.INPUT, "raw", "ds.in", 7, "adler32:0000000a", "DISK", "guid")
OUT = FileSpec("mDST.root", Role.OUTPUT, "compass", "ds.out", endpoint="DISK")
LOG = FileSpec("job.log.tgz", Role.LOG, "compass", "ds.log", endpoint="DISK")
JOB = JobSpec(
    **{"id": 7, "attempt": 2, "transformation": "coral.exe", "arguments": ("--run", "1 2", "it's %41")},
    **{"home_package": "/cvmfs/soft/", "release": "r1", "processing_type": "mcreco", "container": "el9.sif"},
    **{"inputs": (IN,), "outputs": (OUT,), "log": LOG, "preprocess": Program("./before", ("x",)), "signature": "s"},
)


def queue(said=SAID, **more):
    return QueueData("Q", environ="A=b", params={KEY: said, "compass": {"spread": True}}, **more)


def read(outer):
    """Read the argument as the program does, after a stock pilot has split and quoted it again."""
    words = shlex.split(shlex.join(shlex.split(outer["jobPars"])))
    assert words[::2] == ["--bundle", "--sha256", "--job"]
    return words[1], words[3], json.loads(unquote(words[5]))


def test_the_program_is_an_address_and_the_pilot_still_moves_the_files():
    outer = order_of(queue()).wrapped(to_panda(JOB))
    assert outer["transformation"] == ADDRESS
    spec = from_panda(outer)
    assert (spec.key, spec.inputs, spec.outputs, spec.log) == (JOB.key, JOB.inputs, JOB.outputs, JOB.log)
    assert (spec.container, spec.preprocess) == ("", None), "the program sees to these"


def test_the_argument_is_the_whole_job_with_its_files_in_one_folder():
    bundle, sha256, order = read(order_of(queue()).wrapped(to_panda(JOB)))
    assert (bundle, sha256) == (SAID["bundle"], HASH)
    spec = from_panda(order["job"])
    assert (spec.key, spec.transformation, spec.arguments) == (JOB.key, JOB.transformation, JOB.arguments)
    assert (spec.home_package, spec.release, spec.container) == (JOB.home_package, JOB.release, JOB.container)
    assert (spec.preprocess, spec.signature) == (JOB.preprocess, "")
    assert spec.inputs == (FileSpec("cdr.raw", Role.INPUT, size=7, checksum="adler32:0000000a"),)
    assert spec.outputs == (FileSpec("mDST.root", Role.OUTPUT),)
    assert spec.log == FileSpec("compass-job.log.tgz", Role.LOG)


def test_what_the_queue_says_of_payloads_goes_with_the_job_and_its_storages_do_not():
    said = queue(appdir="/soft", astorages={"default": ("DISK",)})
    _, _, order = read(order_of(said).wrapped(to_panda(JOB)))
    assert order["queue"] == {
        "nickname": "Q",
        "environ": "A=b",
        "appdir": "/soft",
        "params": {"compass": {"spread": True}},
    }


def test_secrets_never_stand_in_arguments():
    outer = order_of(queue()).wrapped({**to_panda(JOB), "useSecrets": "True", "secrets": '{"word": "beam"}'})
    assert outer["secrets"] == '{"word": "beam"}'
    assert "beam" not in outer["jobPars"]
    assert "useSecrets" not in read(outer)[2]["job"]


@pytest.mark.parametrize("more", [{"transformation": "https://code.example/run.sh"}, {"eventService": "True"}])
def test_what_a_stock_pilot_runs_itself_stays_as_it_is(more):
    job = {**to_panda(JOB), **more}
    assert order_of(queue()).wrapped(job) == job


def test_a_queue_that_says_nothing_of_stock_pilots_has_no_order_for_them():
    assert order_of(QueueData("Q")) is None


def test_the_servers_own_bundle_is_taken_when_the_queue_names_none(settings, tmp_path):
    settings.PILOT_BUNDLE = tmp_path / "pilot.pyz"
    with pytest.raises(ContractError, match=r"params.stock_pilots.sha256: missing.*COMPASS_SERVER_BUNDLE"):
        order_of(queue({"transform": ADDRESS}))
    settings.PILOT_BUNDLE.write_bytes(b"")
    order = order_of(queue({"transform": ADDRESS}))
    assert order.bundle == "https://server.example/trf/user/pilot.pyz"
    assert order.sha256.startswith("e3b0c44298fc")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**SAID, "trf": "x"}, "trf"),
        ({"sha256": HASH}, "transform: '' is not an address"),
        ({**SAID, "transform": "compass-job"}, "'compass-job' is not an address"),
        ({**SAID, "sha256": "zz"}, "sha256: 'zz' is not"),
        ({**SAID, "bundle": "/a b"}, "bundle: '/a b'"),
        ("yes", "stock_pilots"),
    ],
)
def test_what_a_queue_cannot_mean_is_named(said, words):
    with pytest.raises(ContractError, match="queue Q: params.stock_pilots") as caught:
        order_of(queue(said))
    assert words in str(caught.value)


ASKS = {"siteName": "LOCAL", "computingElement": "LOCAL", "prodSourceLabel": "managed", "diskSpace": 20000, "node": "n"}


@pytest.fixture
def stock_queue(queue):
    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 8, "maxrss": 16000, "params": {KEY: SAID}})


@pytest.mark.usefixtures("stock_queue")
def test_a_stock_pilot_is_handed_the_program_and_one_of_ours_the_job(client, pilot_token):
    pilot = Peer(client, pilot_token)
    jobs.submit(2, arguments=("a b",))
    stock, ours = pilot.form(GET_JOB, ASKS), pilot.packed(GET_JOB, ASKS, **{CONTRACT_HEADER: "1"})
    assert stock["transformation"] == ADDRESS
    assert from_panda(read(stock)[2]["job"]).arguments == ("a b",)
    assert (ours["transformation"], from_panda(ours).arguments) == ("true", ("a b",))


@pytest.mark.usefixtures("stock_queue")
def test_a_stock_pilot_of_the_newer_dialect_is_handed_the_program_too(client, pilot_token):
    jobs.submit()
    asks = {"site_name": "LOCAL", "prod_source_label": "managed", "n_jobs": 1}
    (job,) = Peer(client, pilot_token).v1("/api/v1/pilot/acquire_jobs", asks)["data"]["jobs"]
    assert job["transformation"] == ADDRESS


def test_no_job_is_given_away_when_the_queue_cannot_mean_what_it_says(client, queue, pilot_token):
    define_queue({"nickname": "LOCAL", "status": "online", "params": {KEY: {"transfrom": ADDRESS}}})
    (job,) = jobs.submit()
    answer = Peer(client, pilot_token).form(GET_JOB, ASKS)
    assert answer["StatusCode"] == 30
    assert "did you mean transform?" in answer["errorDialog"]
    assert jobs.state_of(job) == "activated"
