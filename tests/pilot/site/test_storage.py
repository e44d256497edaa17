"""Where files lie."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from pilot.contract.queue import Protocol, StorageEndpoint
from pilot.site.storage import url_of

FILE = FileSpec("mDST-1-2.root", Role.OUTPUT, scope="compass.prod", dataset="2016/P07/mDST.chunks")


@pytest.mark.parametrize(
    ("endpoint", "path", "url"),
    [
        ("file://", "/data", "file:///data/2016/P07/mDST.chunks/mDST-1-2.root"),
        ("file://localhost", "/data/", "file://localhost/data/2016/P07/mDST.chunks/mDST-1-2.root"),
        ("root://eos:1094", "/eos/c", "root://eos:1094//eos/c/2016/P07/mDST.chunks/mDST-1-2.root"),
        ("root://eos:1094/", "//eos/c", "root://eos:1094//eos/c/2016/P07/mDST.chunks/mDST-1-2.root"),
        ("xroots://eos:1094", "/eos/c", "xroots://eos:1094//eos/c/2016/P07/mDST.chunks/mDST-1-2.root"),
        ("davs://host:443/", "/webdav", "davs://host:443/webdav/2016/P07/mDST.chunks/mDST-1-2.root"),
    ],
)
def test_a_url_is_protocol_path_dataset_and_name(endpoint, path, url):
    assert url_of(FILE, StorageEndpoint("S", False, {}), Protocol(endpoint, path)) == url


def test_a_deterministic_storage_spreads_files_by_their_hash():
    url = url_of(FILE, StorageEndpoint("S", True, {}), Protocol("file://", "/rucio"))
    assert url.startswith("file:///rucio/compass/prod/")
    assert len(url.split("/")) == 9


def test_no_dataset_leads_out_of_the_storage():
    with pytest.raises(ContractError, match="cannot be a folder"):
        url_of(FILE.evolve(dataset="../x"), StorageEndpoint("S", False, {}), Protocol("file://", "/data"))
