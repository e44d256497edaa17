"""A user's task as PanDA's clients write it: what is read of it, and what is refused by its name."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from server.production.user_definition import LOGS, Part, Source, Template, read_parameters

OUTPUT = {
    **{"type": "template", "param_type": "output", "value": "user.alice.$JEDITASKID._${SN/P}.out.root"},
    **{"dataset": "user.alice.test_out/", "container": "user.alice.test_out/", "hidden": True},
}
LOG = {
    **OUTPUT,
    "param_type": "log",
    "value": "user.alice.$JEDITASKID.${SN}.log.tgz",
    "dataset": "user.alice.test.log/",
}
INPUT = {"type": "template", "param_type": "input", "value": '-i "${IN/T}"', "dataset": "data/", "exclude": LOGS}
PLAIN = {"taskName": "user.alice.test/", "transPath": "simulate", "jobParameters": []}


def read(**said):
    return read_parameters({**PLAIN, **said})


def entries(*listed):
    return read(jobParameters=list(listed))


def test_what_a_client_says_is_read_under_our_names():
    task = read(
        **{"currentPriority": 900, "site": "LOCAL", "coreCount": 4, "ramCount": 2000, "ramCountUnit": "MBPerCore"},
        **{"maxWalltime": 2, "noLoopingCheck": True, "maxAttempt": 5, "transUses": "mc-1", "debugMode": True},
        **{"vo": "atlas", "cliParams": "prun --exec x", "excludedSite": [], "includedSite": None, "official": False},
    )
    assert (task.name, task.transformation, task.queue, task.priority) == ("user.alice.test", "simulate", "LOCAL", 900)
    assert (task.cores, task.memory, task.max_walltime, task.max_attempts) == (4, 8000, 7200, 5)
    assert (task.looping_check, task.debug, task.release) == (False, True, "mc-1")


def test_parts_of_the_argument_list_and_files_are_told_apart():
    task = entries(
        {"type": "constant", "value": "-r ."},
        {"type": "constant", "value": "__delimiter__", "hidden": True},
        {"type": "constant", "value": '-p "', "padding": False},
        {
            "type": "template",
            "param_type": "pseudo_input",
            "value": "${SEQNUMBER}",
            "dataset": "seq_number",
            "offset": 7,
        },
        OUTPUT,
        INPUT,
    )
    assert task.parts == (
        Part("-r ."),
        Part('-p "', padding=False),
        Part("${SEQNUMBER}", offset=7),
        Part('-i "${IN/T}"'),
    )
    assert task.outputs == (Template("user.alice.$JEDITASKID._${SN/P}.out.root", "user.alice.test_out"),)
    assert task.source == Source("data", without_logs=True)
    assert read(log=LOG).log == Template("user.alice.$JEDITASKID.${SN}.log.tgz", "user.alice.test.log")


@pytest.mark.parametrize(
    ("said", "files", "jobs"),
    [
        ({}, 0, 1),
        ({"nEvents": 100}, 0, 1),
        ({"nEvents": 100, "nEventsPerJob": 30}, 0, 4),
        ({"nFiles": 7, "nFilesPerJob": 2}, 0, 4),
        ({"nFiles": 7}, 0, 7),
        ({"jobParameters": [INPUT]}, 5, 5),
        ({"jobParameters": [INPUT], "nFilesPerJob": 2}, 5, 3),
    ],
)
def test_events_files_or_inputs_say_how_many_jobs_there_are(said, files, jobs):
    assert read(**said).jobs_for(files) == jobs


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"taskName": ""}, "taskName: '': give letters"),
        ({"transPath": None}, "transPath: missing"),
        ({"jobParameters": "x"}, "jobParameters: 'x': a list of objects is expected"),
        ({"nEventPerJob": 5}, "nEventPerJob: no such field in a user's task; did you mean nEventsPerJob?"),
        (
            {"buildSpec": {"a": 1}},
            "buildSpec: .*: jobs that build the software are not made here; submit with --noBuild",
        ),
        ({"excludedSite": ["A"]}, "excludedSite: .*: name the queue that you want in site"),
        ({"coreCount": 0}, "coreCount: 0: give a number from 1 to 32767"),
        ({"site": "a" * 61}, "site: 'a.*: give at most 60 characters"),
        ({"ramCount": 1, "ramCountUnit": "GB"}, "ramCountUnit: 'GB': give MB"),
        ({"walltime": 5, "walltimeUnit": "h"}, "walltimeUnit: 'h': give walltime in seconds"),
        ({"maxWalltime": 1e9}, "maxWalltime: 1000000000.0: give a number from 0"),
        ({"nEventsPerJob": 5}, "nEventsPerJob: 5: say how many there are in all"),
        ({"nEvents": 5, "nFiles": 2}, "nFiles: 2: a task without input has either"),
        ({"nEvents": 5, "jobParameters": [INPUT]}, "nEvents: 5: a task with an input has jobs by files"),
        ({"jobParameters": [{"type": "constant", "value": "${SURL}"}]}, "sourceURL: missing"),
        (
            {"jobParameters": [{"type": "constant", "value": "-l ${LIB}"}]},
            r"jobParameters\[0\].value: '\${LIB}': nothing",
        ),
        ({"jobParameters": [{"type": "number"}]}, r"jobParameters\[0\].type: 'number': give constant or template"),
        ({"jobParameters": [{**OUTPUT, "param_type": "x"}]}, r"jobParameters\[0\].param_type: 'x': give input"),
        ({"jobParameters": [{**OUTPUT, "ratio": 2}]}, r"ratio: no such field in jobParameters\[0\]"),
        ({"jobParameters": [{**OUTPUT, "dataset": ""}]}, r"jobParameters\[0\].dataset: '': give the name"),
        (
            {"jobParameters": [{**OUTPUT, "token": "T"}]},
            r"jobParameters\[0\].token: 'T': name a storage in destination",
        ),
        ({"jobParameters": [{**OUTPUT, "value": "$PANDAID.x"}]}, r"value: '\$PANDAID.x': files are named before"),
        ({"jobParameters": [{**OUTPUT, "dataset": "a.${X}"}]}, r"jobParameters\[0\].dataset: '\${X}': nothing stands"),
        ({"jobParameters": [{**INPUT, "exclude": "(a+)+"}]}, r"jobParameters\[0\].exclude: .*: patterns are not read"),
        ({"jobParameters": [INPUT, INPUT]}, r"jobParameters: \['data', 'data'\]: a task reads one dataset here"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(said, words):
    with pytest.raises(ContractError, match=words):
        read(**said)
