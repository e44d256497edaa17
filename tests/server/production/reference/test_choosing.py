"""A table of releases or templates binds what tasks may name once there is a row in it; the nearest name is told."""

from __future__ import annotations

import pytest

from server.production.reference.choosing import choose, find_template, slip_of_release
from server.production.reference.kinds import BUILT_IN, Kind
from server.production.reference.known import Known
from server.production.reference.models import Site, SoftwareRelease, Template
from server.production.states import TaskType

HOME = "/cvmfs/compass.cern.ch/"
RELEASES = [
    SoftwareRelease(name="dvcs2016P07t1", home=HOME, path="generalprod/", phast=8),
    SoftwareRelease(name="old", home=HOME, path="generalprod/", enabled=False),
]
TEMPLATES = [
    (Template(name="plain", file=""), set()),
    (Template(name="dvcs_mu+", file="dvcs/template_mu+.opt"), {"mass_production"}),
    (Template(name="off", enabled=False), {"mass_production"}),
]


@pytest.mark.parametrize(
    ("soft", "path", "words"),
    [
        ("dvcs2016P07t1", "generalprod/", ""),
        ("dvcs2016P07t1", "other/", "lies below the path 'generalprod/', and not 'other/'"),
        ("dvcs2016P07t2", "generalprod/", "did you mean 'dvcs2016P07t1'"),
        ("zzz", "", "there is dvcs2016P07t1; others are added on the admin's page Software releases"),
        ("old", "generalprod/", "is switched off on the admin's page Software releases"),
    ],
)
def test_a_release_has_to_be_one_of_the_rows(soft, path, words):
    assert slip_of_release(soft, path, RELEASES).endswith(words) or words in slip_of_release(soft, path, RELEASES)
    assert bool(slip_of_release(soft, path, RELEASES)) is bool(words)


def test_without_rows_every_release_and_template_is_taken():
    assert slip_of_release("anything", "", []) == ""
    assert find_template("anything.opt", "mass_production", []) == ("anything.opt", "")
    assert find_template("anything.opt", "ddd_filtering", TEMPLATES[1:]) == ("anything.opt", "")


@pytest.mark.parametrize(
    ("name", "kind", "file", "words"),
    [
        ("plain", "mass_production", "plain", ""),
        ("dvcs_mu+", "mass_production", "dvcs/template_mu+.opt", ""),
        ("dvcs/template_mu+.opt", "mass_production", "dvcs/template_mu+.opt", ""),
        ("dvcs_mu-", "mass_production", "dvcs_mu-", "did you mean 'dvcs_mu+'"),
        ("dvcs_mu+", "test_production", "dvcs_mu+", "is not for the type test_production"),
        ("off", "mass_production", "off", "is switched off on the admin's page Templates"),
        ("../../etc/passwd", "mass_production", "../../etc/passwd", "is no template that is known here"),
    ],
)
def test_a_template_has_to_be_one_of_the_rows_for_its_type(name, kind, file, words):
    found, said = find_template(name, kind, TEMPLATES)
    assert found == file
    assert words in said
    assert bool(said) is bool(words)


SITE = Site(pk=1, name="BW", queue="BW", home="/projects/compass/", files_home="/scratch/", merging_queue="BW_M")
KINDS = {**BUILT_IN, "dy_mass": Kind("dy_mass", "DY", TaskType.MASS, program="compass")}
KNOWN = Known({1: SITE}, KINDS)


def test_the_release_tells_path_and_version_and_the_site_its_own_software_area():
    said = choose({"site": "BW", "type": "dy_mass", "soft": "dvcs2016P07t1"}, KNOWN, RELEASES).said
    assert said == {
        **{"site": "BW", "type": "dy_mass", "soft": "dvcs2016P07t1", "queue": "BW", "merging_queue": "BW_M"},
        **{"home": "/projects/compass/", "path": "generalprod/", "phast": 8, "files_home": "/scratch/"},
        "program": "compass",
    }


def test_a_generation_reads_no_raw_files_and_merges_nothing():
    said = choose({"site": "BW", "type": "mc_generation"}, KNOWN).said
    assert said == {"site": "BW", "type": "mc_generation", "queue": "BW", "home": "/projects/compass/"}


def test_what_is_said_is_never_filled_in():
    said = choose(
        {"site": "BW", "queue": "Q", "home": "/h/", "phast": 7, "soft": "dvcs2016P07t1"}, KNOWN, RELEASES
    ).said
    assert (said["queue"], said["home"], said["phast"]) == ("Q", "/h/", 7)


@pytest.mark.parametrize("odd", [7, [], {}, {"a": 1}, True, b"BW", "BW\0", "x" * 10_000])
def test_odd_values_choose_nothing(odd):
    chosen = choose({"site": odd, "type": odd, "soft": odd}, KNOWN, RELEASES)
    assert chosen.site is None
    assert chosen.kind is None
    assert "is no site" in chosen.slips["site"]
