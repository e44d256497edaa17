"""globus-url-copy against a real GridFTP server."""

from __future__ import annotations

import pytest

from pilot.copytool.gridftp import Gridftp
from pilot.settings.everything import Settings
from pilot.settings.gfal import Gfal
from pilot.settings.gridftp import Gridftp as Section
from tests.pilot.copytool.on_gridftp import OnGridFTP

pytestmark = pytest.mark.one_python


def tool_with(grid, programs, **given):
    section = Section(program=str(grid.copy_program), **given)
    return Gridftp(Settings(gridftp=section, gfal=Gfal(python=str(programs / "python"))))


class TestByProxy(OnGridFTP):
    @pytest.fixture
    def tool(self, grid, programs, trusting):
        return tool_with(grid, programs)


class TestForAnybody(OnGridFTP):
    """Nothing of gfal2 is used here."""

    CANNOT = {"test_a_name_is_taken_as_it_is[\\xfc]": "in plain FTP, Globus's server drops what is no ASCII of a name"}

    @pytest.fixture
    def tool(self, grid, tmp_path):
        return tool_with(grid, tmp_path)

    def url(self, storage, name):
        return f"{storage.plain}/{name}"

    def unreachable(self, storage, name):
        return f"ftp://127.0.0.1:1/{name}"
