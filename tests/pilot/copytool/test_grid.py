import pytest

from pilot.copytool import grid
from pilot.settings import Server, Settings


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
