"""The Data API, and Harvester's face of it, against a real XRootD and a real Rucio."""

from __future__ import annotations

import json
import os
import threading
import uuid
import zlib

import pytest

from pilot import settings
from pilot.api import data
from pilot.common.exception import PilotException
from pilot.info import FileSpec, InfoService
from tests.services.rucio import ROOT, SCOPE
from tests.services.xrootd import Part

pytestmark = pytest.mark.one_python

CONTENT = b"a muon on its way\n" * 1000
SUM = f"{zlib.adler32(CONTENT):08x}"
QUEUE = {"nickname": "Q", "copytools": {"xrdcp": {}}, "astorages": {"default": ["EOS"]}}


@pytest.fixture
def part(xrootd, xrootd_client):
    return Part(xrootd)


def storages(part):
    protocol = {"endpoint": part.server.root.rstrip("/"), "path": f"/{part.name}"}
    activities = ("read_lan", "write_lan")
    return {"EOS": {"name": "EOS", "is_deterministic": False, "arprotocols": {key: [protocol] for key in activities}}}


def of_xrootd(part):
    return QUEUE, storages(part), {"settings": settings.load([("test", {"copy": {"attempts": 1}})]).settings}


def test_files_go_to_an_xrootd_and_come_back_but_for_the_one_that_is_not_there(part, tmp_path):
    queue, endpoints, options = of_xrootd(part)
    names = [f"f{number}" for number in range(6)]
    for name in names:
        (tmp_path / name).write_bytes(CONTENT)
    stored = data.StageOut(queue, endpoints, **options).run(
        [{"lfn": name, "dataset": "ds"} for name in names], tmp_path
    )
    assert stored.well, stored.failed
    assert {(result.tool, result.endpoint, result.checksum) for result in stored} == {
        ("xrdcp", "EOS", f"adler32:{SUM}")
    }
    files = [{"lfn": name, "dataset": "ds", "checksum": SUM, "size": len(CONTENT)} for name in [*names, "gone"]]
    results = data.StageIn(queue, endpoints, **options).run(files, tmp_path / "in")
    assert [result.code for result in results] == [0] * 6 + [1331]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == names
    assert (tmp_path / "in" / "f3").read_bytes() == CONTENT


def test_a_copy_from_a_server_that_hangs_is_given_up_at_once(part, tmp_path):
    os.truncate(part.put("large", b""), 2**33)
    queue, endpoints, options = of_xrootd(part)
    with data.StageIn(queue, endpoints, **options).start(["large"], tmp_path / "in") as staging:
        while not staging.progress().bytes_done:
            assert not staging.done()
        with part.server.frozen():
            staging.cancel()
            (result,) = staging.result(10)
    assert result.state is data.State.CANCELLED
    assert list((tmp_path / "in").iterdir()) == []


@pytest.fixture
def catalogue(rucio, xrootd, xrootd_client, tmp_path, monkeypatch):
    """Files that Rucio knows, stored by the Data API; their names."""
    (tmp_path / "queues").write_text(json.dumps({"Q": {"copytools": {"rucio": {}}}}))
    monkeypatch.setenv("COMPASS_PILOT__QUEUE__DATA_URL", str(tmp_path / "queues"))
    monkeypatch.setenv("COMPASS_PILOT__RUCIO__HOME", str(rucio.home))
    monkeypatch.setenv("COMPASS_PILOT__RUCIO__REGISTER", "true")
    monkeypatch.setenv("COMPASS_PILOT__COPY__ATTEMPTS", "1")
    names = [f"mDST-{uuid.uuid4().hex}.root" for _ in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(CONTENT)
    protocol = {"endpoint": xrootd.root.rstrip("/"), "path": "//rucio"}
    entry = {"is_deterministic": True, "arprotocols": {"write_lan": [protocol]}}
    queue = {"nickname": "Q", "copytools": {"rucio": {}}, "astorages": {"write_lan": [ROOT]}}
    results = data.StageOut(queue, {ROOT: entry}).run([f"{SCOPE}:{name}" for name in names], tmp_path)
    assert results.well, results.failed
    return names


def test_threads_of_harvesters_bring_what_rucio_knows_without_any_storage_described(catalogue, tmp_path):
    data_of = {"scope": SCOPE, "dataset": None, "ddmendpoint": None, "guid": None, "workdir": str(tmp_path / "in")}
    files = [FileSpec(type="input", lfn=name, **data_of) for name in catalogue]
    service = InfoService()

    def stage_in(mine):
        service.init("Q", service.confinfo, service.extinfo)
        service.queuedata.direct_access_lan = False
        client = data.StageInClient(service, acopytools={"default": ["rucio"]}, default_copytools="rucio")
        client.transfer(mine, use_vp=False)

    threads = [threading.Thread(target=stage_in, args=(files[at::2],)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for file in files:
        assert (file.status, file.status_code, file.ddmendpoint) == ("transferred", 0, ROOT), file
        assert file.turl.endswith(file.lfn)
        assert (tmp_path / "in" / file.lfn).read_bytes() == CONTENT


def test_what_rucio_does_not_know_is_told_of_that_file_alone(catalogue, tmp_path):
    files = [FileSpec(scope=SCOPE, lfn=name, workdir=str(tmp_path / "in")) for name in (catalogue[0], "gone.root")]
    with pytest.raises(PilotException) as caught:
        data.StageInClient(InfoService(), "rucio").transfer(files)
    assert caught.value.get_error_code() == 1331
    assert [file.status for file in files] == ["transferred", "failed"]
