from __future__ import annotations

import pytest

from pilot import command_line, options
from pilot.settings import load


def settings_of(*argv):
    found = command_line.parse(argv)
    return load([options.as_layer(found)]).settings


@pytest.mark.parametrize(
    ("argv", "section", "key", "value"),
    [
        (["-q", "Q"], "queue", "name", "Q"),
        (["--queue=Q"], "queue", "name", "Q"),
        (["-j", "user"], "queue", "label", "user"),
        (["-p", "80"], "server", "port", 80),
        (["-l", "60"], "job", "lifetime", 60.0),
        (["-L", "600"], "job", "lease", 600.0),
        (["--leasetime", "600"], "job", "lease", 600.0),
        (["--allow-same-user", "False"], "queue", "same_task", False),
        (["--allowsameuser", "True"], "queue", "same_task", True),
        (["-a", "/x"], "job", "workdir", "/x"),
        (["-d"], "log", "debug", True),
        (["--debug", "false"], "log", "debug", False),
        (["--countrygroup", "it"], "queue", "country_group", "it"),
        (["--working-group", "w"], "queue", "working_group", "w"),
        (["--allowothercountry", "True"], "queue", "allow_other_country", True),
        (["--allow-other-country"], "queue", "allow_other_country", True),
        (["--cleanup", "False"], "job", "keep_workdir", True),
        (["--pilotuser", "compass"], "plugins", "user", "compass"),
        (["--pilot-user", "compass"], "plugins", "user", "compass"),
        (["--cacert", "/c", "--capath", "/p"], "server", "authorities", "/p"),
        (["--getjobrequests", "9"], "job", "requests", 9),
        (["--heartbeat", "30"], "monitor", "heartbeat", 30.0),
        (["-w", "generic", "-q", "Q"], "queue", "name", "Q"),
        (["-w", "production"], "job", "workflow", "generic"),
        (["--workflow", "stager"], "job", "workflow", "stager"),
        (["-w", "generic_hpc"], "job", "workflow", "hpc"),
        (["-w", "production_hpc"], "job", "workflow", "hpc"),
        (["-w", "analysis_hpc"], "job", "workflow", "hpc"),
        (["--hpc-mode", "manytoone"], "hpc", "mode", "always"),
        (["--hpc-mode", "never"], "hpc", "mode", "never"),
        (["--hpc-resource", "titan"], "hpc", "resource", "titan"),
        (["--es-executor-type", "generic"], "events", "executor", "generic"),
        (["--use-rucio-traces", "False"], "rucio", "send_traces", False),
        (["--rucio-host", "https://rucio:443"], "rucio", "host", "https://rucio:443"),
        (["-y"], "credentials", "token_key_file", ""),
        (["--notokenrenewal"], "credentials", "token_key_file", ""),
        (["--pod"], "stop", "preemption", ("SIGTERM",)),
        (["--pod", "False"], "stop", "preemption", ()),
    ],
)
def test_an_option_sets_its_setting(argv, section, key, value):
    assert getattr(getattr(settings_of(*argv), section), key) == value


def test_what_is_not_given_is_not_said():
    assert options.as_layer(command_line.parse([])) == (options.ORIGIN, {})


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["-r", "R"], "-r has no effect: the queue (-q) says it"),
        (["--use-https", "True"], "--use-https has no"),
    ],
)
def test_an_option_of_old_is_taken_and_explained(argv, line):
    (found,) = command_line.parse([*argv, "-q", "Q"]).obsolete
    assert found.startswith(line)


def test_realtime_logging_and_the_message_broker_are_asked_for_as_with_pilot3():
    argv = ["--use-realtime-logging", "--realtime-logging-server", "logstash:logs:5000", "--realtime-logname", "mc"]
    _, layer = options.as_layer(command_line.parse([*argv, "--subscribe-to-msgsvc", "-q", "Q"]))
    assert layer["realtime"] == {"use": True, "server": "logstash:logs:5000", "name": "mc"}
    assert layer["broker"] == {"subscribe": True}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--quue", "Q"], "--quue is not an option; did you mean --queue?"),
        (["--que=Q"], "--que=Q is not an option; did you mean --queue?"),
        (["stray"], "stray is not an option; see pilot --help"),
        (["-p", "many"], "invalid int value: 'many'"),
        (["-d", "perhaps"], "'perhaps' is not true or false"),
        (["-w", "walk"], "'walk' is none: there are generic, production, analysis, "),
        (["-y", "False"], "tokens are renewed where there is a key, unless this option is given"),
        (["-w", "payload_stageout"], "'payload_stageout' is none: a pilot that only stores outputs is not known"),
        (["-w", "eventservice_hpc"], "'eventservice_hpc' is none: jobs say themselves that they work on event ranges"),
    ],
)
def test_a_slip_is_told_in_one_line(argv, words, capsys):
    with pytest.raises(SystemExit) as caught:
        command_line.parse(argv)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert words in said
    assert said.count("\n") == 1


def test_help_tells_units_and_what_holds_without_an_option(capsys):
    with pytest.raises(SystemExit):
        command_line.parse(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Time between two reports on a running job. Default: 1800 s." in told
    assert "Longest life of the pilot. Default: " in told
    assert "Port of the server, unless the address holds one. Default: 25443." in told


def test_no_option_takes_a_token():
    assert not [name for names, _, key, _ in options.SETTING_OPTIONS for name in names if key == "token"]
