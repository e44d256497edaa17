"""Readings of this machine, and what becomes of a look that breaks or hangs."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace

import pytest

from pilot.api.communicator import Communicator
from pilot.api.environment import Environment
from pilot.check import probes
from pilot.check.finding import Level, good
from pilot.check.probes import Subject
from pilot.check.service import Contact
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.settings import Server, Settings, Token, Verify, sections
from tests.pilot.dispatcher import QUEUE, serving

OK, WARN, FAIL = Level
#: The first public key of RFC 8032, section 7.1.
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
"""


@pytest.fixture
def subject(tmp_path):
    contact = Contact("http://a:1", queue=QueueData("Q", params={}))
    here = Environment(tmp_path, within=1.0)
    variables = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    return Subject(Settings(), tmp_path, here, contact, {"local": ()}, variables)


def by_name(findings):
    return {found.what: found for found in findings}


def test_this_machine_is_looked_at_in_its_whole(subject):
    found = by_name(probes.run(subject, probes.NODE))
    assert {"system", "python", "memory", "cores", "disk", "work folder", "limits", "GPUs", "network"} <= set(found)
    assert found["work folder"].level is OK
    assert found["containers"].value == "none: payloads run on the node (container_type)"


def test_a_look_that_hangs_keeps_nobody_waiting_and_a_broken_one_is_told(subject):
    never = threading.Event()

    def broken(_):
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, "nonsense")

    def failing(_):
        raise OSError("disk on fire")

    def hanging(_):
        yield good("found before", 1)
        never.wait(30)

    looks = [
        ("hung", hanging),
        ("broken", broken),
        ("failing", failing),
        ("fine", lambda _: [good("fine", 1)]),
    ]
    found = probes.run(subject, looks, within=0.3)
    never.set()
    assert [(one.what, one.code) for one in found] == [
        ("found before", None),
        ("hung", ErrorCode.COMMAND_TIMED_OUT),
        ("broken", ErrorCode.BAD_QUEUE_CONFIGURATION),
        ("failing", ErrorCode.FILE_HANDLING),
        ("fine", None),
    ]


def test_a_work_folder_that_is_not_there_yet_is_tried_above(subject, tmp_path):
    wanted = tmp_path / "a" / "b"
    (found,) = probes._work_folder(replace(subject, base=wanted))
    assert (found.level, found.value) == (OK, str(wanted))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_work_folder(subject, small_disk):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    (found,) = probes._work_folder(replace(subject, base=small_disk))
    assert found.code is ErrorCode.MKDIR


def with_container(subject, **site):
    queue = QueueData("Q", container_type="apptainer:pilot", catchall="IMAGE_BASE=/nowhere/images")
    settings = replace(subject.settings, container=sections.Container(**site))
    return replace(subject, settings=settings, contact=replace(subject.contact, queue=queue))


def test_a_runtime_and_images_that_are_missing_are_bad(subject, tmp_path):
    with pytest.raises(JobFailed) as caught:
        list(probes._containers(with_container(subject, program="/nowhere/apptainer")))
    assert caught.value.code is ErrorCode.APPTAINER_NOT_INSTALLED
    found = by_name(probes._containers(with_container(subject, program="/bin/sh")))
    assert found["containers"].value == "/bin/sh"
    assert found["images"].code is ErrorCode.IMAGE_NOT_FOUND


def in_container(subject, tmp_path, **copy):
    queue = QueueData("Q", container_type="container:middleware", acopytools={"default": ("xrdcp",)})
    settings = replace(
        subject.settings, copy=sections.Copy(**copy), container=sections.Container(program="/bin/sh", binds=())
    )
    contact = replace(subject.contact, queue=queue)
    return replace(subject, settings=settings, contact=contact, tools={"xrdcp": ("no-xrdcp",)})


def test_the_image_of_copy_tools_is_looked_for_and_their_programs_are_not(subject, tmp_path):
    image = tmp_path / "grid"
    with pytest.raises(JobFailed, match="copy.image names none"):
        list(probes._copy_container(in_container(subject, tmp_path)))
    missing = in_container(subject, tmp_path, image=str(image))
    with pytest.raises(JobFailed, match="is not on the node") as caught:
        list(probes._copy_container(missing))
    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert by_name(probes._storages(missing))["copy tool pl"].level is OK
    assert by_name(probes._storages(in_container(subject, tmp_path)))["copy tool pl"].level is OK
    image.mkdir()
    found = by_name(probes._copy_container(missing))
    assert found["copy tools' container"].value == f"{image}, by /bin/sh"
    assert not list(probes._copy_container(in_container(subject, tmp_path, container="never")))
    node = by_name(probes._storages(in_container(subject, tmp_path, container="never")))
    assert node["copy tool pl"].value == "xrdcp: no-xrdcp not found on the PATH"


def test_a_slip_in_the_options_of_containers_is_found_before_a_job_meets_it(subject):
    with pytest.raises(JobFailed, match="did you mean --bind") as caught:
        list(probes._containers(with_container(subject, program="/bin/sh", options=("--bnd=/a",))))
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION


def test_a_site_that_runs_nothing_on_the_node_needs_a_queue_with_containers(subject):
    settings = replace(subject.settings, container=sections.Container(required=True))
    found = by_name(probes._containers(replace(subject, settings=settings)))
    assert found["containers"].code is ErrorCode.QUEUE_WITHOUT_CONTAINERS


def test_repositories_are_those_that_queue_and_settings_name(subject):
    queue = QueueData("Q", appdir="/cvmfs/compass.cern.ch/sw|x", catchall="IMAGE_BASE=/cvmfs/images.example/a")
    settings = replace(subject.settings, container=sections.Container(image="/cvmfs/compass.cern.ch/image"))
    found = replace(subject, settings=settings, contact=replace(subject.contact, queue=queue))
    assert probes.repositories(found) == ["compass.cern.ch", "images.example"]
    grid = replace(settings, copy=sections.Copy(image="/cvmfs/grid.example/tools"))
    assert "grid.example" in probes.repositories(replace(found, settings=grid))
    assert probes.repositories(subject) == []


@pytest.mark.programs("openssl")
@pytest.mark.parametrize("way", ["openssl", "library, where it is installed"])
def test_signatures_are_looked_at_as_the_queue_wants_them(subject, tmp_path, monkeypatch, way):
    if way == "openssl":
        monkeypatch.setitem(sys.modules, "cryptography", None)
    queue = QueueData("Q", params={"verify_signatures": "always"})
    strict = replace(subject, contact=replace(subject.contact, queue=queue))
    (found,) = probes._signatures(strict)
    assert found.code is ErrorCode.SIGNATURE_UNVERIFIABLE
    key = tmp_path / "key.pub"
    key.write_text(PUBLIC_KEY)
    strict = replace(strict, settings=replace(strict.settings, verify=Verify(keys=(str(key),))))
    assert next(probes._signatures(strict)).value.startswith("always, verified by ")
    key.write_text("no key")
    assert "key.pub cannot be read as a public key" in next(probes._signatures(strict)).value
    key.unlink()
    assert next(probes._signatures(strict)).value == f"always; {key} is not there"


def test_the_programs_of_copy_tools_are_looked_for_where_the_pilot_would_find_them(subject, tmp_path):
    queue = QueueData("Q", acopytools={"default": ("xrdcp",)})
    asked = replace(subject, contact=Contact("http://a:1", queue=queue), tools={"xrdcp": ("xrdcp",)})
    assert by_name(probes._storages(asked))["copy tool pl"].value == "xrdcp: xrdcp not found on the PATH"
    (tmp_path / "xrdcp").touch(mode=0o755)
    asked = replace(asked, variables={"PATH": str(tmp_path)})
    assert by_name(probes._storages(asked))["copy tool pl"].level is OK


def test_programs_that_a_script_of_the_queue_brings_are_not_looked_for_but_the_script_is(subject, tmp_path):
    script = tmp_path / "setup.sh"
    queue = QueueData("Q", copytools={"xrdcp": {"setup": str(script)}}, acopytools={"default": ("xrdcp",)})
    asked = replace(subject, contact=Contact("http://a:1", queue=queue), tools={"xrdcp": ("xrdcp",)})
    assert by_name(probes._storages(asked))["copy tool pl"].value == f"xrdcp: {script} not found on the PATH"
    script.touch()
    assert by_name(probes._storages(asked))["copy tool pl"].level is OK


def test_a_server_is_met_without_taking_work_from_it(tmp_path):
    with serving(tmp_path) as dispatcher:
        settings = replace(Settings(), queue=sections.Queue(name=QUEUE))
        contact = probes.meet(Communicator(Server(url=dispatcher.url)), settings)
        assert "/api/v1/pilot/acquire_jobs" not in dispatcher.counts
    assert (contact.dialect, contact.problem, contact.queue.name) == ("v1", None, QUEUE)
    assert set(contact.storages) == {"STORE"}


def test_a_server_that_is_not_there_is_told_once(tmp_path):
    with serving(tmp_path) as dispatcher:
        pass
    contact = probes.meet(Communicator(Server(url=dispatcher.url)), replace(Settings(), queue=sections.Queue(name="Q")))
    assert contact.problem.code is ErrorCode.COMMUNICATION_FAILURE
    assert (contact.queue, contact.queue_problem, contact.storages_problem) == (None, None, None)


def test_a_queue_that_a_file_describes_needs_no_server(tmp_path):
    with serving(tmp_path) as dispatcher:
        path = tmp_path / "queue.json"
        path.write_text(json.dumps(dispatcher.queue))
    settings = replace(Settings(), queue=sections.Queue(name=QUEUE, data_url=str(path)))
    contact = probes.meet(Communicator(Server(url=dispatcher.url)), settings)
    assert (contact.queue.name, contact.storages_problem.code) == (QUEUE, ErrorCode.COMMUNICATION_FAILURE)


def test_a_pilot_without_identity_is_doubtful_and_with_a_missing_proxy_bad(tmp_path):
    def found(server):
        settings = replace(Settings(), server=server)
        return list(probes.credentials(settings, Token(server).read, Communicator(server)))

    (none,) = found(Server(url="http://a:1"))
    assert (none.level, none.value) == (WARN, "neither token nor proxy")
    (missing,) = found(Server(url="http://a:1", certificate=str(tmp_path / "proxy")))
    assert missing.code is ErrorCode.NO_PROXY
    (tmp_path / "token").write_text("abc")
    assert found(Server(url="https://a:1", token_file=str(tmp_path / "token"))) == []
    (clear,) = found(Server(url="http://a:1", token_file=str(tmp_path / "token")))
    assert (clear.level, clear.value) == (WARN, "is sent to http://a:1 in clear")


def test_what_is_found_can_be_written_as_json(subject):
    json.dumps([one.as_dict() for one in probes.run(subject, probes.NODE)])
