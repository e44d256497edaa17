from __future__ import annotations

import pytest

from pilot.contract.archives import alone, kind
from pilot.contract.codec import ContractError
from pilot.contract.job import Archive
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.signature import signed_text

OUTPUTS = "one.zip,two.tar,a.root,b.root,hist-1.pdf,hist-2.pdf,job.log.tgz"


def job(said="", **more):
    return {
        "PandaID": 7,
        "transformation": "true",
        "jobPars": f"-n 3 {said} --last",
        "inFiles": "in.raw,more.raw",
        "outFiles": OUTPUTS,
        "logFile": "job.log.tgz",
        **more,
    }


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_map_is_taken_out_of_the_parameters_however_it_is_quoted(quote):
    said = f"{quote}<ZIP_MAP>one.zip:a.root,b.root two.tar:hist-1.pdf</ZIP_MAP>{quote}"
    spec = from_panda(job(said))
    assert spec.arguments == ("-n", "3", "--last")
    assert spec.archives == (Archive("one.zip", ("a.root", "b.root")), Archive("two.tar", ("hist-1.pdf",)))
    assert [file.lfn for file in alone(spec)] == ["one.zip", "two.tar", "hist-2.pdf"]
    assert from_panda(to_panda(spec)) == spec


@pytest.mark.parametrize(
    ("said", "members"),
    [
        ("hist*", ("hist-1.pdf", "hist-2.pdf")),
        ("hist.*", ("hist-1.pdf", "hist-2.pdf")),
        (r"'.*\.root'", ("a.root", "b.root")),
        ("b.root,*.root", ("b.root", "a.root")),
        ("h*-*.pdf", ("hist-1.pdf", "hist-2.pdf")),
        ("*-1*-*", None),
        ("root*root", None),
    ],
)
def test_a_star_stands_for_any_text_in_the_names_of_outputs(said, members):
    text = f"<ZIP_MAP>one.zip:{said}</ZIP_MAP>"
    if members is None:
        with pytest.raises(ContractError, match="is neither an output nor an input"):
            from_panda(job(text))
    else:
        assert from_panda(job(text)).archives == (Archive("one.zip", members),)


def test_an_archive_of_inputs_is_the_payloads_own():
    spec = from_panda(job("<ZIP_MAP>one.zip:in.raw,more.raw</ZIP_MAP>"))
    assert (spec.archives, spec.arguments) == ((), ("-n", "3", "--last"))
    assert len(alone(spec)) == len(spec.outputs)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("<ZIP_MAP>one.zip:a.root", "'<ZIP_MAP>one.zip:a.root' has no </ZIP_MAP> at its end"),
        ("<ZIP_MAP>one.zip</ZIP_MAP>", "'one.zip' is not <archive>:<file>,<file>"),
        ("<ZIP_MAP>one.zip:,</ZIP_MAP>", "'one.zip:,' is not <archive>:<file>,<file>"),
        ("<ZIP_MAP>three.zip:a.root</ZIP_MAP>", "'three.zip' is not an output"),
        ("<ZIP_MAP>one.zip:c.root</ZIP_MAP>", "'c.root', for one.zip, is neither an output nor an input"),
        ("<ZIP_MAP>one.zip:job.log.tgz</ZIP_MAP>", "'job.log.tgz', for one.zip, is neither an output nor an input"),
        ("<ZIP_MAP>one.zip:two.tar two.tar:a.root</ZIP_MAP>", "'two.tar', for one.zip, is neither"),
        ("<ZIP_MAP>one.zip:a.root two.tar:a.root</ZIP_MAP>", "a.root would be in two archives"),
        ("<ZIP_MAP>one.zip:a.root one.zip:b.root</ZIP_MAP>", "an archive is named twice"),
        ("<ZIP_MAP>a.root:b.root</ZIP_MAP>", "'a.root' ends neither in .zip nor in .tar"),
    ],
)
def test_a_map_that_cannot_be_followed_is_refused_with_the_reason(said, words):
    with pytest.raises(ContractError, match="^jobPars: ZIP_MAP: ") as caught:
        from_panda(job(said))
    assert words in str(caught.value)


def test_a_name_with_a_blank_cannot_be_in_the_map():
    with pytest.raises(ContractError, match="'a b.root' has a blank in it"):
        from_panda(job("<ZIP_MAP>one.zip:a*</ZIP_MAP>", outFiles="one.zip,a b.root"))


def test_outputs_that_are_not_known_beforehand_cannot_be_archived():
    said = "<ZIP_MAP>one.zip:a.root</ZIP_MAP>"
    for more in ({"eventService": "True"}, {"isHPO": "True", "preprocess": {"command": "true"}}):
        with pytest.raises(ContractError, match="cannot be named beforehand"):
            from_panda(job(said, **more))


def test_what_is_put_together_is_signed():
    plain, packed = from_panda(job()), from_panda(job("<ZIP_MAP>one.zip:a.root</ZIP_MAP>"))
    assert signed_text(plain) != signed_text(packed)
    assert b"archives" not in signed_text(plain)


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.zip", "zip"), ("a.tar", "tar"), ("a.zip.1", "zip"), ("a.tar.gz", ""), ("zip", ""), ("a.zipped", "")],
)
def test_a_name_says_which_kind_of_archive_it_is(name, found):
    assert kind(name) == found


def test_an_input_that_is_listed_as_an_archive_is_brought_under_its_name():
    spec = from_panda(job(inFiles="zip://ev.tar,more.raw"))
    assert [file.lfn for file in spec.inputs] == ["ev.tar", "more.raw"]
    assert from_panda(job(inFiles="zip://ev.zip")).inputs[0].lfn == "ev.zip"
    with pytest.raises(ContractError, match="inFiles: 'a/b' is not a plain file name"):
        from_panda(job(inFiles="zip://a/b"))


def test_a_job_that_merges_takes_only_archives_that_can_be_unpacked():
    merging = {"eventServiceMerge": "True"}
    assert from_panda(job(inFiles="zip://ev.tar", **merging)).inputs[0].lfn == "ev.tar"
    with pytest.raises(ContractError, match="inFiles: 'zip://ev.zip' does not end in .tar"):
        from_panda(job(inFiles="zip://ev.zip", **merging))
