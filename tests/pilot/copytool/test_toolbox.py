"""The tools of a queue, and what its engines share."""

from __future__ import annotations

import pytest

from pilot.contract.queue import QueueData
from pilot.copytool.known import Known
from pilot.copytool.local import Local
from pilot.copytool.toolbox import Toolbox
from pilot.settings import Settings
from pilot.settings.sections import Copy

QUEUE = QueueData("Q", copytools={"cp": {"setup": "/setup.sh"}})


@pytest.fixture
def toolbox():
    return Toolbox(
        Known({}), Settings(copy=Copy(at_once=7, attempts=5, base_time=9.0, rate=3.0, open_time=4.0, early=True))
    )


def test_a_queue_has_one_of_each_tool_which_knows_what_is_said_of_it(toolbox):
    tools = toolbox.tools(QUEUE)
    assert tools["cp"] is tools["cp"]
    assert tools["cp"] is not toolbox.tools(QUEUE)["cp"]
    assert (tools["cp"].setup, tools["local"].setup) == ("/setup.sh", "")
    assert tools["cp"].settings.copy.at_once == 7


def test_a_tool_that_nobody_offers_is_not_there(toolbox):
    tools = toolbox.tools(QUEUE)
    assert "fax" not in tools
    assert {"local", "cp", "mv"} <= set(tools)
    assert len(tools) == len(set(tools))
    with pytest.raises(KeyError):
        tools["fax"]


def test_an_offered_tool_goes_before_ours():
    class Other(Local):
        name = "cp"

    assert isinstance(Toolbox(Known({"cp": Other}), Settings()).tools(QUEUE)["cp"], Other)


def test_all_engines_share_their_turns_and_the_room(toolbox):
    one, other = toolbox.engine(QUEUE, {}), toolbox.engine(QUEUE, {})
    assert one._turns is other._turns
    assert one._room is other._room
    assert one._turns.count == 7


def test_an_engine_keeps_to_the_settings(toolbox):
    policy = toolbox.engine(QUEUE, {})._attempts.policy
    assert (policy.attempts, policy.base_time, policy.rate, policy.open_time) == (5, 9.0, 3.0, 4.0)
    assert toolbox.early
    assert toolbox.longest == Settings().copy.most_time
