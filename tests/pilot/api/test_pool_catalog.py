"""Harvester's catalogue of inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot.api import pool_catalog

CATALOG = """<?xml version="1.0" ?>
<!DOCTYPE POOLFILECATALOG SYSTEM "InMemory">
<POOLFILECATALOG>
  <File ID="G1"><physical><pfn filetype="" name="/data/one.raw"/><pfn name="/second"/></physical>
    <logical><lfn name="one.raw"/></logical></File>
  <File ID="G2"><physical><pfn name="file:///data/two%20b.raw"/></physical>
    <logical><lfn name="two.raw"/></logical></File>
  <File ID="G3"><logical><lfn name="nowhere"/></logical></File>
</POOLFILECATALOG>
"""


def test_each_file_has_its_first_physical_name():
    assert pool_catalog.read(CATALOG) == {"one.raw": "/data/one.raw", "two.raw": "file:///data/two%20b.raw"}


@pytest.mark.parametrize("text", ["<a>", "no xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_not_whole_or_defines_entities_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        pool_catalog.read(text)


@pytest.mark.parametrize(("name", "path"), [("/a b", "/a b"), ("file:///a%20b", "/a b"), ("file://localhost/a", "/a")])
def test_a_physical_name_is_a_path_of_this_node(name, path):
    assert pool_catalog.path_of(name) == Path(path)


@pytest.mark.parametrize("name", ["root://eos//a", "a/b", ""])
def test_what_lies_elsewhere_is_no_path(name):
    with pytest.raises(ValueError, match="no file of this node"):
        pool_catalog.path_of(name)
