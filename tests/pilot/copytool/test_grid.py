import pytest

from pilot.copytool import grid
from pilot.copytool.gfal import Gfal
from pilot.copytool.gridftp import Gridftp
from pilot.settings import Server, Settings
from pilot.settings import gfal as section
from pilot.settings.gridftp import Gridftp as Program


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch):
    for name in (grid.PROXY, grid.AUTHORITIES, grid.TOKEN):
        monkeypatch.delenv(name, raising=False)


def test_without_anything_there_are_no_credentials():
    assert grid.credentials(Settings()) == {}
    assert grid.objection({}) == ""


def test_the_pilots_own_are_used(tmp_path):
    settings = Settings(server=Server(certificate="/proxy", authorities=str(tmp_path)))
    assert grid.credentials(settings) == {grid.PROXY: "/proxy", grid.AUTHORITIES: str(tmp_path)}


def test_a_file_of_authorities_is_no_folder_of_them(tmp_path):
    (tmp_path / "ca.pem").touch()
    assert grid.credentials(Settings(server=Server(authorities=str(tmp_path / "ca.pem")))) == {}


def test_those_of_the_environment_go_before(monkeypatch, tmp_path):
    monkeypatch.setenv(grid.PROXY, "/mine")
    monkeypatch.setenv(grid.TOKEN, "/token")
    settings = Settings(server=Server(certificate="/proxy", authorities=str(tmp_path)))
    found = {grid.PROXY: "/mine", grid.TOKEN: "/token", grid.AUTHORITIES: str(tmp_path)}
    assert grid.credentials(settings) == found


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, ("gfal-copy",)),  # this Python has no gfal2
        ({"use": "programs", "python": "/usr/bin/python3"}, ("gfal-copy",)),
        ({"use": "bindings"}, ()),
        ({"python": "/usr/bin/python3"}, ("/usr/bin/python3",)),
    ],
)
def test_what_gfal_needs_of_a_node_is_for_the_settings_to_say(given, needed):
    assert Gfal.needs(Settings(gfal=section.Gfal(**given))) == needed


def test_gridftp_needs_the_program_that_the_settings_name():
    assert Gridftp.needs(Settings()) == ("globus-url-copy",)
    assert Gridftp.needs(Settings(gridftp=Program(program="/opt/guc"))) == ("/opt/guc",)
