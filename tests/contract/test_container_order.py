from __future__ import annotations

import dataclasses

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.container_order import take_image
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda, to_panda


def job(**said):
    return {"PandaID": 7, "transformation": "true", **said}


def test_pandas_options_are_read_with_the_image_the_shell_line_and_the_runtimes_options():
    options = {"containerExec": "/bin/sh run.sh", "containerImage": "/cvmfs/i", "execArgs": "--nv --env 'A=b c'"}
    spec = from_panda(job(containerOptions=options))
    assert (spec.container, spec.container_script) == ("/cvmfs/i", "/bin/sh run.sh")
    assert spec.container_options == ("--nv", "--env", "A=b c")
    assert from_panda(to_panda(spec)) == spec


@pytest.mark.parametrize("said", [None, "", "NULL", "{}", {}, {"execArgs": None, "containerExec": "NULL"}])
def test_options_that_say_nothing_ask_for_no_container(said):
    assert from_panda(job(containerOptions=said)) == JobSpec(7, 0, "true")


@pytest.mark.parametrize(
    ("said", "image"),
    [
        (
            {"container_name": "/a", "jobPars": "--containerImage /b", "containerOptions": {"containerImage": "/c"}},
            "/a",
        ),
        ({"jobPars": "--containerImage /b", "containerOptions": {"containerImage": "/c"}}, "/b"),
        ({"containerOptions": {"containerImage": "/c"}}, "/c"),
    ],
)
def test_of_several_images_the_jobs_own_field_counts_then_the_parameters_then_the_options(said, image):
    assert from_panda(job(**said)).container == image


@pytest.mark.parametrize("text", ["-n 3 --containerImage docker://h/i last", "-n 3 --containerimage=docker://h/i last"])
def test_an_image_among_the_parameters_is_no_argument_of_the_payload(text):
    spec = from_panda(job(jobPars=text))
    assert (spec.arguments, spec.container) == (("-n", "3", "last"), "docker://h/i")
    assert from_panda(to_panda(spec)) == spec


@pytest.mark.parametrize("words", [("--containerImage",), ("--containerImage", "-x"), ("--containerimage=",)])
def test_an_image_that_is_announced_and_missing_is_told(words):
    with pytest.raises(ContractError, match="^jobPars: --container[Ii]mage lacks its image"):
        take_image(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"containerExec": "run"}, "containerOptions.containerExec: 'run' wants a container, and no image is named"),
        ({"execArgs": "--nv"}, "containerOptions.execArgs: .* no image is named"),
        ({"image": "/a"}, "containerOptions.image: not one of containerExec, containerImage, execArgs"),
        ({"containerImage": "/a", "execArgs": "'--nv"}, "containerOptions.execArgs: .* No closing quotation"),
        ({"containerImage": ["/a"]}, "containerOptions.containerImage"),
        ("no object", "containerOptions"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_by_name(options, words):
    with pytest.raises(ContractError, match=f"^{words}"):
        from_panda(job(containerOptions=options))


def test_what_a_job_says_of_its_container_is_signed():
    from pilot.contract.signature import NOT_SIGNED

    assert not {field.name for field in dataclasses.fields(JobSpec) if "container" in field.name} & NOT_SIGNED
