"""From an entry of ddmendpoints.json to the place of a storage."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pilot.contract.queue import local_storage
from server.storage.base import StorageMisconfigured
from server.storage.place import Place, read_give_up_after, read_place

PLUGIN_OF = {"file": "local", "root": "xrootd"}


def entry(**said):
    return {"arprotocols": {}, **said}


def protocol(endpoint, path):
    return [{"endpoint": endpoint, "path": path, "flavour": "X", "id": 1}]


def place(data):
    return read_place("S", data, PLUGIN_OF)


def test_what_pilots_use_is_used_by_the_server_too():
    assert place(local_storage("S", "/data/files")) == Place("S", "local", "file:///data/files")


def test_a_path_of_the_xroot_protocol_keeps_its_own_slash():
    data = entry(arprotocols={"read_lan": protocol("root://eos:1094", "/eos/compass/")})
    assert place(data) == Place("S", "xrootd", "root://eos:1094//eos/compass")
    data = entry(arprotocols={"read_lan": protocol("root://eos:1094/", "/eos/compass/")})
    assert place(data).root == "root://eos:1094//eos/compass"


def test_the_protocol_of_copies_among_storages_goes_before_those_of_pilots():
    data = entry(
        arprotocols={
            "read_lan": protocol("root://near:1094", "/a"),
            "third_party_copy": protocol("root://far:1094", "/b"),
            "of_our_own": protocol("root://odd:1094", "/c"),
        }
    )
    assert place(data).root == "root://far:1094//b"


def test_a_protocol_that_no_plugin_speaks_is_passed_over_for_one_that_is_spoken():
    data = entry(
        arprotocols={"tpc": protocol("gsiftp://old:2811", "/a"), "read_lan": protocol("root://new:1094", "/a")}
    )
    assert place(data) == Place("S", "xrootd", "root://new:1094//a")


@pytest.mark.parametrize("said", [{"is_tape": True}, {"is_tape": "True"}, {"type": "DATATAPE"}, {"type": "MCTAPE"}])
def test_a_storage_with_tapes_says_so_in_the_words_of_the_grid(said):
    data = entry(arprotocols={"read_lan": protocol("root://cta:1094", "/a")}, **said)
    assert place(data).plugin == "tape"


def test_a_disk_in_front_of_tapes_may_be_used_as_a_disk():
    data = entry(arprotocols={"read_lan": protocol("root://cta:1094", "/a")}, type="DATATAPE", is_tape=False)
    assert place(data).plugin == "xrootd"


def test_plugin_root_and_options_may_be_said_outright():
    data = {"compass_storage": {"plugin": "mine", "root": "mine://x/y", "options": {"speed": 3}}}
    assert place(data) == Place("S", "mine", "mine://x/y", {"speed": 3})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, r"storage S: arprotocols: empty; .*compass_storage\.root"),
        (
            {"compass_storage": {"plugn": "x", "root": "file:///a"}},
            "plugn: no such field in compass_storage; did you mean plugin",
        ),
        ({"compass_storage": "tape"}, "compass_storage: 'tape' is not a JSON object"),
        ({"compass_storage": {"root": "/a"}}, "root: '/a' is no address"),
        ({"compass_storage": {"root": "s3://a/b"}}, "s3://a/b is reached by none of file, root; name a plugin"),
        ({"compass_storage": {"root": "file:///a", "options": [1]}}, "options: .* is not a JSON object"),
        ({"arprotocols": {"r": [{"endpoint": "x"}]}}, "arprotocols.r: endpoint: 'x' is not an address"),
        ({"compass_storage": {"root": "file:///a"}, "is_tape": "perhaps"}, "is_tape: 'perhaps' is not true or false"),
    ],
)
def test_what_is_missing_or_wrong_is_named(data, words):
    with pytest.raises(StorageMisconfigured, match=words):
        place(data)


@dataclass(frozen=True)
class Shape:
    patience: float = 60.0
    many: int = 5
    words: str = "w"
    truth: bool = False


def test_options_are_read_by_their_kinds_and_the_others_keep_their_defaults():
    found = Place("S", "p", "x://y", {"patience": "2.5", "truth": True}).read_options(Shape)
    assert found == Shape(patience=2.5, truth=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patiense": 3}, r"storage S: patiense: no such field in compass_storage\.options; did you mean patience"),
        ({"many": "lots"}, r"storage S: compass_storage\.options\.many: 'lots' is not a whole number"),
    ],
)
def test_a_wrong_option_is_named(options, words):
    with pytest.raises(StorageMisconfigured, match=words):
        Place("S", "p", "x://y", options).read_options(Shape)


def test_a_storage_may_say_how_old_a_request_to_it_becomes():
    data = entry(compass_storage={"root": "file:///x", "give_up_after": 3600})
    assert place(data).root == "file:///x"
    assert (read_give_up_after("S", data), read_give_up_after("S", entry())) == (3600, None)


@pytest.mark.parametrize("said", [0, -1, "soon", True, float("inf"), float("nan")])
def test_an_age_that_cannot_be_is_named(said):
    with pytest.raises(StorageMisconfigured, match=r"storage S: compass_storage.give_up_after"):
        read_give_up_after("S", entry(compass_storage={"give_up_after": said}))
