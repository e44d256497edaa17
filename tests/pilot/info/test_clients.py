"""Harvester's calls of the pilot, in our words: what its plugins do with these names has to go on working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib

import pytest

from pilot.api import data
from pilot.common.errorcodes import ErrorCodes
from pilot.common.exception import PilotException
from pilot.contract.queue import local_storage
from pilot.info import FileSpec, InfoService

CONTENT = b"a muon on its way\n"
SUM = f"{zlib.adler32(CONTENT):08x}"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Two queues, each with a folder for a storage, described in files that the environment names."""
    queues, storages = {}, {}
    for name in ("Q", "R"):
        (tmp_path / f"store-{name}").mkdir()
        storages[f"DISK-{name}"] = local_storage(f"DISK-{name}", str(tmp_path / f"store-{name}"))
        queues[name] = {
            "nickname": name,
            "copytools": {"local": {}},
            "acopytools": {"pr": ["local"]},
            "astorages": {"read_lan": [f"DISK-{name}"], "write_lan": [f"DISK-{name}"], "pl": ["LOGS", f"DISK-{name}"]},
            "direct_access_lan": True,
        }
    (tmp_path / "queues").write_text(json.dumps(queues))
    (tmp_path / "storages").write_text(json.dumps(storages))
    monkeypatch.setenv("COMPASS_PILOT__QUEUE__DATA_URL", str(tmp_path / "queues"))
    monkeypatch.setenv("COMPASS_PILOT__QUEUE__STORAGE_URL", str(tmp_path / "storages"))
    monkeypatch.setenv("COMPASS_PILOT__COPY__ATTEMPTS", "1")
    return tmp_path


@pytest.fixture
def infosys(site):
    service = InfoService()
    service.init("Q", service.confinfo, service.extinfo)
    return service


def has(site, name, queue="Q", content=CONTENT):
    (site / f"store-{queue}" / name).write_bytes(content)


def wanted(site, name, **more):
    return FileSpec(
        type="input",
        scope="s",
        dataset=None,
        lfn=name,
        ddmendpoint=None,
        guid=None,
        workdir=str(site / "in" / name),
        **more,
    )


def client(infosys, tools=("local",)):
    return data.StageInClient(infosys, acopytools={"default": list(tools)}, default_copytools="local")


def test_files_are_brought_and_what_became_of_them_stands_on_the_callers_objects(site, infosys):
    files = [wanted(site, name) for name in ("a", "b")]
    for file in files:
        has(site, file.lfn)
    infosys.queuedata.direct_access_lan = False
    infosys.queuedata.direct_access_wan = False
    answered = client(infosys).transfer(files, use_vp=False)
    assert answered == files
    for file in files:
        assert (file.status, file.status_code) == ("transferred", 0)
        assert file.turl == file.surl == f"file://{site}/store-Q/{file.lfn}"
        assert (file.checksum, file.filesize, file.ddmendpoint) == ({"adler32": SUM}, len(CONTENT), "DISK-Q")
        assert (site / "in" / file.lfn / file.lfn).read_bytes() == CONTENT


def test_one_that_fails_is_raised_when_the_others_have_arrived(site, infosys):
    has(site, "a")
    files = [wanted(site, "gone"), wanted(site, "a")]
    with pytest.raises(PilotException, match="gone") as caught:
        client(infosys).transfer(files)
    assert caught.value.get_error_code() == 1331
    assert [(file.status, file.status_code) for file in files] == [("failed", 1331), ("transferred", 0)]


def test_who_wants_no_exception_looks_at_the_files(site, infosys):
    (answer,) = client(infosys).transfer([wanted(site, "gone")], raise_exception=False)
    assert answer.status_code == 1331


def test_what_is_settled_already_is_passed_over(site, infosys):
    file = wanted(site, "gone", status="transferred")
    assert client(infosys).transfer([file]) == [file]
    assert client(infosys).transfer([]) == []


def test_checksums_and_sizes_are_held_against_what_arrives(site, infosys):
    has(site, "a")
    with pytest.raises(PilotException) as caught:
        client(infosys).transfer([wanted(site, "a", checksum="ad:00000001")])
    assert caught.value.code == 1171
    with pytest.raises(PilotException) as caught:
        client(infosys).transfer([wanted(site, "a", filesize=3)])
    assert caught.value.code == 1915


def test_replicas_that_are_given_are_tried(site, infosys):
    (site / "elsewhere").write_bytes(CONTENT)
    file = wanted(site, "a", replicas=[{"pfn": f"file://{site}/elsewhere", "ddmendpoint": "X"}])
    client(infosys).transfer([file])
    assert file.turl == f"file://{site}/elsewhere"


@pytest.mark.parametrize("tools", [{"default": "local"}, {"default": ["local"]}, "local", ["local"], {"pr": ["local"]}])
def test_copy_tools_may_be_given_by_activity_or_for_all(site, infosys, tools):
    has(site, "a")
    one = data.StageInClient(infosys, acopytools=tools, default_copytools="rucio")
    assert one.transfer([wanted(site, "a")], activity=["pr"])[0].status_code == 0


def test_without_any_those_of_the_queue_are_taken(site, infosys):
    has(site, "a")
    assert data.StageInClient(infosys).acopytools == {"pr": ["local"]}
    assert data.StageInClient(infosys).transfer([wanted(site, "a")])[0].status_code == 0


def test_without_a_queue_the_default_ones_are(site):
    assert data.StageInClient(InfoService()).acopytools == {"default": ["rucio"]}
    assert data.StageInClient(InfoService(), default_copytools=["a", "b"]).acopytools == {"default": ["a", "b"]}
    given = data.StageInClient(InfoService(), {"pr": "xrdcp"}, None, "local")
    assert given.acopytools == {"pr": ["xrdcp"], "default": ["local"]}


def test_an_unknown_copy_tool_is_told_and_stands_on_the_files(site, infosys):
    files = [wanted(site, "a")]
    with pytest.raises(PilotException, match="there is no copy tool 'teleport'"):
        client(infosys, ["teleport"]).transfer(files)
    assert files[0].status_code == 1900


def test_threads_have_each_their_own_files_and_their_own_queue(site):
    service, answers = InfoService(), []

    def work(number):
        queue = "QR"[number % 2]
        service.init(queue, service.confinfo, service.extinfo)
        service.queuedata.direct_access_lan = False
        files = [wanted(site, f"f{number}-{nth}") for nth in range(10)]
        for file in files:
            has(site, file.lfn, queue)
        answers.append((queue, client(service).transfer(files, use_vp=False)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 6
    for queue, files in answers:
        assert {(file.status_code, file.ddmendpoint) for file in files} == {(0, f"DISK-{queue}")}
        assert all((site / "in" / file.lfn / file.lfn).is_file() for file in files)


def test_a_client_keeps_the_queue_of_the_thread_that_made_it(site, infosys):
    has(site, "a")
    one, answered = client(infosys), []
    infosys.init("R")
    thread = threading.Thread(target=lambda: answered.extend(one.transfer([wanted(site, "a")])))
    thread.start()
    thread.join(30)
    assert [file.ddmendpoint for file in answered] == ["DISK-Q"]


def test_the_first_clients_of_pilot_two_took_a_site_and_dictionaries(site):
    has(site, "a")
    files = [{"scope": "s", "name": name, "destination": str(site / "in")} for name in ("a", "gone")]
    answered = data.StageInClient(site="Q").transfer(files)
    assert answered == files
    assert [file["errno"] for file in answered] == [0, 1331]
    assert [file["status"] for file in answered] == ["transferred", "failed"]
    assert answered[0]["errmsg"] == ""
    assert answered[1]["errmsg"].startswith("gone: ")


def test_outputs_are_stored(site, infosys):
    (site / "a").write_bytes(CONTENT)
    file = FileSpec("output", lfn="a", scope="s", dataset="ds", workdir=str(site))
    one = data.StageOutClient(infosys, acopytools="local")
    one.prepare_destinations([file], ["write_lan", "w"])
    assert file.ddmendpoint == "DISK-Q"
    one.transfer([file], activity=["pw", "w"], workdir=str(site))
    assert (file.status, file.turl) == ("transferred", f"file://{site}/store-Q/ds/a")
    assert (file.checksum, file.filesize, len(file.guid)) == ({"adler32": SUM}, len(CONTENT), 36)


def test_a_destination_may_be_shut_out(site, infosys):
    one = data.StageOutClient(infosys)
    file = FileSpec("log", lfn="a", ddmendpoint="LOGS")
    assert one.prepare_destinations([file], "pl", alt_exclude=["LOGS"])[0].ddmendpoint == "DISK-Q"
    with pytest.raises(PilotException, match="a: the queue names no storage for nothing"):
        one.prepare_destinations([FileSpec("log", lfn="a")], "nothing")


def test_the_storages_near_are_set_where_a_file_has_none(site, infosys):
    file, own = FileSpec(lfn="a"), FileSpec(lfn="b", inputddms=["OWN"])
    client(infosys).prepare_sources([file])
    client(infosys).prepare_inputddms([file, own])
    assert (file.inputddms, own.inputddms) == (["DISK-Q"], ["OWN"])


@pytest.mark.parametrize("name", ["resolve_replicas", "require_protocols", "transfer_files", "resolve_surl"])
def test_what_is_not_supported_names_what_does_it(site, infosys, name):
    with pytest.raises(NotImplementedError, match=f"{name} is not supported here: "):
        getattr(client(infosys), name)([])
    with pytest.raises(AttributeError, match="StageInClient has no 'fetch'"):
        client(infosys).fetch()


def test_an_argument_that_nobody_knows_is_refused(site):
    with pytest.raises(TypeError, match="StageInClient takes no color"):
        data.StageInClient(color="red")
    with pytest.raises(PilotException, match="7 is no FileSpec"):
        data.StageInClient().transfer([7])


def test_a_folder_that_cannot_be_made_is_told(site, infosys):
    (site / "in").touch()
    files = [wanted(site, "a")]
    with pytest.raises(PilotException, match="Not a directory") as caught:
        client(infosys).transfer(files)
    assert caught.value.code == files[0].status_code == 1199


PROGRAM = """
import sys, threading
from pilot.api import data
from pilot.common.errorcodes import ErrorCodes
from pilot.info import infosys
from pilot.info.filespec import FileSpec as PilotFileSpec
from pilot.util import auxiliary

def stage_in(files):
    infosys.init("Q", infosys.confinfo, infosys.extinfo)
    infosys.queuedata.direct_access_lan = False
    client = data.StageInClient(infosys, acopytools={"default": ["local"]}, default_copytools="local")
    assert all(file.status_code == 0 for file in client.transfer(files, use_vp=False))

files = [PilotFileSpec(type="input", scope="s", dataset=None, lfn=name, ddmendpoint=None, guid=None, workdir="in")
         for name in sys.argv[1:]]
threads = [threading.Thread(target=stage_in, args=(files[at::3],)) for at in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
class Errors(ErrorCodes):
    words = ErrorCodes._error_messages
    words.update({})
    statuses = [value[0] for value in auxiliary.get_error_code_translation_dictionary().values()]
print([file.status for file in files], Errors.words[1331], 80 in Errors.statuses)
"""


def test_a_program_of_several_threads_goes_by_the_shared_object(site):
    names = [f"f{number}" for number in range(5)]
    for name in names:
        has(site, name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names], cwd=site, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout == f"{['transferred'] * 5} {ErrorCodes._error_messages[1331]} True\n"
    assert sorted(path.name for path in (site / "in").iterdir()) == names


def test_a_file_that_is_none_keeps_no_other_from_its_place(site, infosys, tmp_path):
    for name in "ab":
        has(site, name)
    (tmp_path / "taken").touch()
    into = {"workdir": str(tmp_path / "in")}
    files = [
        FileSpec(lfn="a", **into),
        FileSpec(lfn="..", **into),
        FileSpec(lfn="x", workdir=str(tmp_path / "taken" / "in")),
        FileSpec(lfn="b", **into),
        FileSpec(lfn="y", checksum="nonsense", **into),
    ]
    assert data.StageInClient(infosys).transfer(files, raise_exception=False) == files
    assert [file.status for file in files] == ["transferred", "failed", "failed", "transferred", "failed"]
    assert [file.status_code for file in files] == [0, 1900, 1199, 0, 1900]
    assert "lfn: '..'" in files[1].errmsg
    assert "taken/in" in files[2].errmsg
    assert "checksum" in files[4].errmsg
    with pytest.raises(PilotException, match="lfn: '..'"):
        data.StageInClient(infosys).transfer(files)
