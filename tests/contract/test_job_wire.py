from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from pilot.contract.codec import ContractError
from pilot.contract.job import PANDA_MB, FileSpec, JobSpec, Program, Role
from pilot.contract.job_wire import checked_lfn, checksum_from_panda, checksum_to_panda, from_panda, to_panda
from tests.contract.strategies import jobs

#: Every key that PanDA's dispatcher always sends, but the two that belong to the answer around the job.
ALWAYS = """
PandaID prodSourceLabel swRelease homepackage transformation jobName jobDefinitionID cloud inFiles dispatchDblock
dispatchDBlockToken dispatchDBlockTokenForOut outFiles destinationDblock destinationDBlockToken prodDBlocks
prodDBlockToken realDatasets realDatasetsIn fileDestinationSE logFile logGUID jobPars attemptNr GUID checksum fsize
scopeIn scopeOut scopeLog ddmEndPointIn ddmEndPointOut destinationSE prodUserID maxCpuCount minRamCount maxDiskCount
cmtConfig processingType transferType sourceSite currentPriority taskID coreCount jobsetID reqID nucleus maxWalltime
resource_type ioIntensity ioIntensityUnit
"""


def job(**said):
    return {"PandaID": 7, "transformation": "true", **said}


def two_inputs(**said):
    return job(inFiles="a,b", **said)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(jobs())
def test_a_job_survives_pandas_dictionary(spec):
    assert from_panda(json.loads(json.dumps(to_panda(spec)))) == spec


def test_every_key_that_panda_always_sends_is_there_even_for_the_barest_job():
    assert set(ALWAYS.split()) <= set(to_panda(JobSpec(1, 0, "true")))


def test_stock_pilots_find_one_entry_per_stored_file_and_no_scope_for_the_log():
    log = FileSpec("l.tgz", Role.LOG, "s", "d/log")
    spec = JobSpec(1, 0, "x", outputs=(FileSpec("a", Role.OUTPUT, "s"), FileSpec("b", Role.OUTPUT)), log=log)
    written = to_panda(spec)
    assert (written["outFiles"], written["scopeOut"], written["scopeLog"]) == ("a,b,l.tgz", "s,NULL", "s")
    for key in ("realDatasets", "ddmEndPointOut", "destinationDblock", "destinationDBlockToken"):
        assert written[key].count(",") == 2, key


def test_memory_is_rounded_up_to_pandas_mb():
    assert to_panda(JobSpec(1, 0, "x", memory=1, disk=PANDA_MB + 1))["minRamCount"] == 1
    assert to_panda(JobSpec(1, 0, "x", disk=PANDA_MB + 1))["maxDiskCount"] == 2


def test_the_barest_job_is_understood():
    assert from_panda(job()) == JobSpec(7, 0, "true")


def test_everything_may_come_as_text():
    said = {"PandaID": "7", "attemptNr": "2.0", "coreCount": "NULL", "minRamCount": "2000", "loopingCheck": "False"}
    spec = from_panda(job(**said, debug="True", taskID="None", currentPriority="-5"))
    assert spec == JobSpec(7, 2, "true", memory=2000 * PANDA_MB, looping_check=False, debug=True, priority=-5)


@pytest.mark.parametrize("nothing", ["", "NULL", None, "NULL,NULL", ","])
def test_columns_that_say_nothing_say_it_of_each_file(nothing):
    columns = dict.fromkeys(("GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn"), nothing)
    assert from_panda(two_inputs(**columns)).inputs == (FileSpec("a", Role.INPUT), FileSpec("b", Role.INPUT))


def test_one_file_may_have_empty_columns():
    spec = from_panda(job(inFiles="a", fsize="", GUID="NULL", outFiles="o", scopeOut="NULL", realDatasets=""))
    assert spec.inputs == (FileSpec("a", Role.INPUT),)
    assert spec.outputs == (FileSpec("o", Role.OUTPUT),)


def test_nulls_inside_a_list_belong_to_their_own_file():
    spec = from_panda(two_inputs(fsize="NULL,5", checksum="ad:1,NULL", GUID=",g"))
    assert [(file.size, file.checksum, file.guid) for file in spec.inputs] == [
        (None, "adler32:00000001", ""),
        (5, None, "g"),
    ]


def test_a_place_without_a_file_takes_its_columns_with_it():
    spec = from_panda(job(inFiles="a,NULL,b", fsize="1,2,3"))
    assert [(file.lfn, file.size) for file in spec.inputs] == [("a", 1), ("b", 3)]


def test_an_input_named_again_with_the_same_content_is_one_file():
    spec = from_panda(job(inFiles="a,a,b", fsize="1,1,2", realDatasetsIn="x,y,y"))
    assert [(file.lfn, file.dataset) for file in spec.inputs] == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize("extra", [{}, {"scopeOut": "s,s,t"}])
def test_scopes_of_outputs_are_found_with_and_without_an_entry_for_the_log(extra):
    said = {"outFiles": "a,l,b", "logFile": "l", "scopeOut": "s,t", "scopeLog": "u", **extra}
    spec = from_panda(job(**said))
    assert [(file.lfn, file.scope) for file in spec.outputs] == [("a", "s"), ("b", "t")]
    assert spec.log == FileSpec("l", Role.LOG, "u")


def test_a_log_that_the_outputs_do_not_name_is_still_the_log():
    spec = from_panda(job(outFiles="a", realDatasets="d", logFile="l", logGUID="g", scopeLog="s"))
    assert spec.outputs == (FileSpec("a", Role.OUTPUT, dataset="d"),)
    assert spec.log == FileSpec("l", Role.LOG, "s", guid="g")


def test_a_log_may_be_all_that_a_job_stores():
    spec = from_panda(job(outFiles="l", logFile="l", ddmEndPointOut="E", scopeOut=""))
    assert (spec.outputs, spec.log) == ((), FileSpec("l", Role.LOG, endpoint="E"))


@pytest.mark.parametrize("arguments", [("NULL",), ("",), ("None", "NULL"), (), ("a b", "it's", "\n")])
def test_arguments_arrive_as_they_were(arguments):
    assert from_panda(to_panda(JobSpec(1, 0, "x", arguments=arguments))).arguments == arguments


def test_a_job_of_event_ranges_says_so_and_whose_they_are():
    spec = from_panda(job(eventService="True", jobsetID=12))
    assert (spec.events, spec.merges_events, spec.jobset_id) == (True, False, 12)
    assert from_panda(to_panda(spec)) == spec


def test_a_job_that_merges_what_ranges_have_stored_asks_for_none():
    spec = from_panda(job(eventService="True", eventServiceMerge="True", jobsetID=12))
    assert (spec.events, spec.merges_events, spec.jobset_id) == (False, True, None)
    assert from_panda(to_panda(spec)) == spec


@pytest.mark.parametrize("name", ["eventService", "eventServiceMerge"])
def test_whether_a_job_has_event_ranges_is_a_truth(name):
    for silent in (None, "", "NULL", "False", False):
        assert not from_panda(job(**{name: silent})).events
    with pytest.raises(ContractError, match=f"^{name}: "):
        from_panda(job(**{name: "perhaps"}))


def test_a_search_for_parameters_needs_the_preprocess_that_ends_it():
    spec = from_panda(job(isHPO=True, preprocess={"command": "next.sh"}))
    assert spec.iterative
    assert from_panda(to_panda(spec)) == spec
    assert not from_panda(job(isHPO="False", preprocess={"command": "next.sh"})).iterative
    with pytest.raises(ContractError, match="^isHPO: there is no preprocess, which ends the iterations"):
        from_panda(job(isHPO="True"))


@pytest.mark.parametrize("name", ["preprocess", "postprocess", "coprocess"])
def test_programs_that_go_with_the_payload_are_read_as_panda_writes_them(name):
    spec = from_panda(job(**{name: {"command": "prepare.sh", "args": "-n 3 'two words'"}}))
    assert spec.programs == {name: Program("prepare.sh", ("-n", "3", "two words"))}
    assert from_panda(to_panda(spec)) == spec
    assert from_panda(job(**{name: '{"command": "a", "args": null}'})).programs == {name: Program("a")}
    for silent in (None, "", "NULL", "False", False, {}):
        assert from_panda(job(**{name: silent})).programs == {}


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"preprocess": "run"}, "preprocess", "'run' is not a JSON object"),
        ({"preprocess": {"args": "x"}}, "preprocess.command", "missing; text is expected"),
        ({"coprocess": {"command": "x", "args": "'"}}, "coprocess.args", "cannot be split into arguments"),
        ({"PandaID": "NULL"}, "PandaID", "missing; a whole number is expected"),
        ({"PandaID": 0}, "PandaID", "0 is less than 1"),
        ({"PandaID": "x"}, "PandaID", "'x' is not a whole number"),
        ({"transformation": ""}, "transformation", "missing; text is expected"),
        ({"attemptNr": -1}, "attemptNr", "-1 is less than 0"),
        ({"attemptNr": "nan"}, "attemptNr", "'nan' is not a whole number"),
        ({"coreCount": 2**70}, "coreCount", "is not a whole number"),
        ({"jobPars": "it's"}, "jobPars", "cannot be split into arguments: No closing quotation"),
        ({"loopingCheck": "perhaps"}, "loopingCheck", "'perhaps' is not true or false"),
        ({"inFiles": "a,b", "fsize": "1"}, "fsize", "1 entries for 2 files"),
        ({"inFiles": "a", "fsize": "big"}, "fsize", "'big' is not a whole number"),
        ({"inFiles": "a", "fsize": "-1"}, "fsize", "-1 of a is less than 0"),
        ({"inFiles": "a", "checksum": "sha:00"}, "checksum", "'sha:00' is not ad:"),
        ({"inFiles": ["a"]}, "inFiles", r"\['a'\] is not text"),
        ({"inFiles": "../a"}, "inFiles", "is not a plain file name"),
        ({"inFiles": "a,a", "fsize": "1,2"}, "inFiles", "a is named twice, with different sizes or checksums"),
        ({"inFiles": "a", "outFiles": "a"}, "outFiles", "a is named twice"),
        ({"outFiles": "a,a"}, "outFiles", "a is named twice"),
        ({"outFiles": "a,b,c", "scopeOut": "s,t"}, "scopeOut", "2 entries for 3 files"),
        ({"outFiles": "a,b,l", "logFile": "l", "scopeOut": "s"}, "scopeOut", "1 entries for 2 files"),
        ({"outFiles": "a", "realDatasets": "x,y"}, "realDatasets", "2 entries for 1 files"),
        ({"logFile": "x/l"}, "logFile", "is not a plain file name"),
    ],
)
def test_a_wrong_job_is_refused_by_field_value_and_expectation(said, field, words):
    with pytest.raises(ContractError, match=f"^{field}: .*{words}") as caught:
        from_panda({**job(), **said})
    assert caught.value.field_name == field


@pytest.mark.parametrize("data", [None, [], "job", 7])
def test_what_is_no_object_is_no_job(data):
    with pytest.raises(ContractError, match="^job: .* is not a JSON object"):
        from_panda(data)


@pytest.mark.parametrize(
    ("ours", "pandas"),
    [("adler32:1e720467", "ad:1e720467"), ("md5:" + "0a" * 16, "md:" + "0a" * 16), (None, "NULL")],
)
def test_checksums_are_translated_both_ways(ours, pandas):
    assert checksum_to_panda(ours) == pandas
    assert checksum_from_panda(pandas) == ours


@pytest.mark.parametrize(
    ("said", "checksum"),
    [
        ("1E720467", "adler32:1e720467"),
        ("0A" * 16, "md5:" + "0a" * 16),
        ("ad:f3902f3", "adler32:0f3902f3"),
        ("adler32:0f3902f3", "adler32:0f3902f3"),
        ("AD:0F3902F3", "adler32:0f3902f3"),
    ],
)
def test_every_spelling_of_a_checksum_is_read(said, checksum):
    assert checksum_from_panda(said) == checksum


@pytest.mark.parametrize("said", ["ad:", "ad:xyz", "ad:123456789", "md:0a", "12345", "ad:-1", "crc:1", ":", "ad:1:2"])
def test_what_is_no_checksum_is_refused(said):
    with pytest.raises(ContractError, match="^checksum: "):
        checksum_from_panda(said)


@pytest.mark.parametrize(
    "name", ["a.root", "mDST-1-2.root.001", "данные.root", "a b", "a~", "a-", ".hidden", "é" * 127]
)
def test_a_plain_name_is_taken(name):
    assert checked_lfn(name, "lfn") == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "NULL", "null", "None", "a/b", "/a", "../a", "a,b", "a\n", "a\0", "a\u200b", "a\u202e", "\ud800"],
)
def test_a_name_that_could_lead_elsewhere_or_hide_is_refused(name):
    with pytest.raises(ContractError, match="^lfn: .* is not a plain file name"):
        checked_lfn(name, "lfn")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zip://a.zip", "name the file itself"),
        ("gs://bucket/a", "name the file itself"),
        ("-rf", "begins or ends"),
        ("~root", "begins or ends"),
        (" a", "begins or ends"),
        ("a ", "begins or ends"),
        ("a" * 256, "longer than 255 bytes"),
        ("é" * 128, "longer than 255 bytes"),
    ],
)
def test_a_name_that_programs_misunderstand_is_refused_with_the_reason(name, words):
    with pytest.raises(ContractError, match=f"^lfn: .*{words}"):
        checked_lfn(name, "lfn")


@pytest.mark.parametrize(("said", "meant"), [("on", True), ("off", False), ("NULL", None), (None, None)])
def test_a_job_may_say_whether_its_outputs_go_elsewhere(said, meant):
    spec = from_panda({"PandaID": 1, "transformation": "t", "altStageOut": said})
    assert spec.alternative_storage is meant
    assert from_panda(to_panda(spec)) == spec
    assert ("altStageOut" in to_panda(spec)) is (meant is not None)


def test_a_job_says_whether_its_inputs_are_read_where_they_lie_and_which_are_copied_all_the_same():
    said = {
        "PandaID": 1,
        "transformation": "t",
        "transferType": "direct",
        "inFiles": "a,b",
        "prodDBlockToken": "local,NULL",
    }
    spec = from_panda(said)
    assert spec.direct
    assert [file.copied for file in spec.inputs] == [True, False]
    assert from_panda(to_panda(spec)) == spec
    assert to_panda(spec)["prodDBlockToken"] == "local,NULL"
    assert [file.copied for file in from_panda({**said, "prodDBlockToken": "local"}).inputs] == [False, False]
    assert not from_panda({**said, "transferType": "fax"}).direct
