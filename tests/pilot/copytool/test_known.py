import sys

import pytest

from pilot.copytool.base import CopyTool
from pilot.copytool.known import OWN, Known
from pilot.copytool.local import Local


@pytest.mark.parametrize("name", sorted(OWN))
def test_each_of_our_tools_is_what_its_name_says(name):
    kind = Known({})[name]
    assert issubclass(kind, CopyTool)
    assert kind.name == name
    assert kind.schemes


def test_what_a_plugin_offers_goes_before_our_own():
    class Mine(Local):
        name = "cp"

    known = Known({"cp": Mine, "mine": Mine})
    assert known["cp"] is known["mine"] is Mine
    assert known["local"] is Local
    assert sorted(known) == sorted({*OWN, "mine"})
    assert len(known) == len(OWN) + 1


def test_a_tool_is_not_imported_before_it_is_wanted(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pilot.copytool.")]:
        monkeypatch.delitem(sys.modules, name)
    from pilot.copytool.known import Known

    assert "local" in Known({})
    assert "pilot.copytool.local" not in sys.modules


def test_a_name_that_is_not_there_is_no_tool():
    assert "rucoi" not in Known({})
    with pytest.raises(KeyError):
        Known({})["rucoi"]
