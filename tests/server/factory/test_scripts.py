"""Scripts for sites that submit pilots by hand: what is in them, and what can never come into them."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import fields, replace

import pytest
from django.core.management import CommandError, call_command

from server.factory.scripts import MB, TEMPLATES, PilotJob, ScriptRefused, render, systems

JOB = PilotJob(
    queue="CERN-PROD",
    url="https://panda.example.org:25443",
    sha256="0" * 64,
    wrapper="/opt/compass/pilot-wrapper.sh",
    token="/etc/compass/pilot.token",
    bundle="/opt/compass/pilot.pyz",
    cores=8,
    memory=16_000 * MB,
    wall_time=90 * 60,
    count=5,
    partition="long",
    account="compass",
    scratch="/scratch",
    options=("--lifetime", "4000"),
)
HOSTILE = [
    *("a b", "a\nb", "a\n#SBATCH --uid=0", "$(id)", "`id`", "';id;'", '"', "\\", "@count@", "%x", "~", "*", "é", "\0"),
    *("a,b", "{x}", "a&b", "a|b", "a>b", "a#b", "!x", "\t", "$X"),
]
TEXTS = [each.name for each in fields(PilotJob) if isinstance(getattr(JOB, each.name), str)]
NUMBERS = [each.name for each in fields(PilotJob) if isinstance(getattr(JOB, each.name), int)]


@pytest.fixture(params=systems())
def system(request):
    return request.param


def test_there_are_templates_for_five_batch_systems():
    assert systems() == ("gridengine", "htcondor", "lsf", "pbs", "slurm")


def test_a_script_has_all_that_was_said_and_no_open_field(system):
    text = render(system, JOB)
    assert re.findall(r"@[a-z_]+@", text) == []
    for word in ("CERN-PROD", "compass", "pilot-wrapper.sh", "--lifetime 4000", "0" * 64, "/scratch"):
        assert word in text
    assert ("long" in text) == (system != "htcondor")  # which has no queues of its own
    assert "COMPASS_EXIT_AS=node" in text


def test_a_line_without_its_value_is_left_out(system):
    text = render(system, replace(JOB, partition="", account="", scratch="", options=()))
    for word in ("--partition", "--account", "accounting_group", "COMPASS_SCRATCH", "-q @", "-P @", "-A @"):
        assert word not in text
    assert [line for line in text.splitlines() if line.rstrip().endswith(("=", "-q", "-P", "-A"))] == []


@pytest.mark.parametrize("wrong", HOSTILE)
@pytest.mark.parametrize("name", [*TEXTS, "options"])
def test_no_value_can_be_more_than_a_value(name, wrong):
    values = (wrong, getattr(JOB, name) + wrong) if name in TEXTS else ((wrong,), ("-v", wrong))
    for value in values:
        with pytest.raises(ScriptRefused, match=f"^{name}: .* cannot stand in a script"):
            render("slurm", replace(JOB, **{name: value}))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_limits(name):
    for value in (0, -1, 10**18):
        with pytest.raises(ScriptRefused, match=f"^{name}: {value} is not between"):
            render("slurm", replace(JOB, **{name: value}))


def test_no_system_is_a_path_to_another_file():
    for wrong in ("../pilot-wrapper", "", "slurm.tmpl", "cobalt"):
        with pytest.raises(ScriptRefused, match="is none of gridengine, htcondor, lsf, pbs, slurm"):
            render(wrong, JOB)


def test_a_shell_reads_from_a_script_what_was_meant(system):
    if system == "htcondor":
        return
    text = render(system, JOB)
    assert subprocess.run(["sh", "-n"], input=text, text=True).returncode == 0
    assert shlex.split(text.splitlines()[-1]) == ["exec", "/bin/sh", JOB.wrapper, "--lifetime", "4000"]
    said = subprocess.run(
        ["env", "-i", "sh"], input=text.replace("exec ", "env; : "), text=True, capture_output=True, check=True
    ).stdout
    assert f"COMPASS_PILOT__SERVER__TOKEN_FILE={JOB.token}\n" in said


@pytest.mark.parametrize("bundle", ["/cvmfs/sw.example.org/pilot.pyz", "https://sw.example.org/pilot.pyz"])
def test_htcondor_sends_no_bundle_that_nodes_find_elsewhere(bundle):
    text = render("htcondor", replace(JOB, bundle=bundle))
    assert f"transfer_input_files = {JOB.wrapper}, {JOB.token}\n" in text
    assert f"COMPASS_BUNDLE={bundle} " in text


def test_files_that_would_come_under_one_name_are_refused():
    with pytest.raises(ScriptRefused, match="two have the same name"):
        render("htcondor", replace(JOB, bundle="/elsewhere/pilot.token"))


def test_every_template_is_known():
    assert {path.stem for path in TEMPLATES.iterdir()} == set(systems())


def command(*words, capsys):
    call_command("pilot_script", "--system", "slurm", "--queue", "Q", "--token", "/t", *words)
    return capsys.readouterr().out


def test_the_command_prints_a_script(capsys):
    more = ["--url", "http://h", "--bundle", "/b", "--sha256", "A" * 64, "--hours", "2", "--memory", "500"]
    text = command(*more, "--", "--lifetime", "60", capsys=capsys)
    assert "--time=120\n" in text
    assert "--mem=500M\n" in text
    assert "a" * 64 in text
    assert text.endswith("pilot-wrapper.sh --lifetime 60\n")


def test_the_command_refuses_in_words(capsys, settings):
    settings.PILOT_BUNDLE = None
    with pytest.raises(CommandError, match="COMPASS_SERVER_BUNDLE"):
        command("--url", "http://h", "--bundle", "/b", capsys=capsys)
    with pytest.raises(CommandError, match="^url: '' cannot stand in a script"):
        command("--bundle", "/b", "--sha256", "a" * 64, "--url", "", capsys=capsys)
