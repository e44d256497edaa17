"""Real pilots, real payloads, a stand-in server over real HTTP: ranges are done once, stored, and reported."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.input_lists import InputList
from tests.pilot.eventservice.ranges_server import ASK, TELL, TELL_LEGACY
from tests.pilot.test_end_to_end import job, log_member

pytestmark = pytest.mark.one_python


def names(*numbers):
    return [f"1-7-2-{number}-3" for number in numbers]


@pytest.mark.parametrize("dialect", ["v1", "legacy"])
def test_every_range_is_asked_for_once_done_stored_and_reported(stage, dialect):
    ranges = stage.has(5)
    stage.offer(cores=2)
    stage.environment["COMPASS_PILOT__SERVER__DIALECT"] = dialect
    ranges.dialect = dialect
    status, said = stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1, 2, 3, 4)
    assert all(ends == ["finished"] for ends in ranges.ends.values())
    final = stage.final()
    assert final["job_status"] == "finished"
    assert "nEventsW=50" in final["job_metrics"]
    assert final["n_events"] == 50
    (archive,) = ranges.archives()
    assert (archive["numEvents"], archive["objstoreID"]) == (5, 42)
    stored = next(stage.objects.rglob(archive["lfn"]))
    assert stored.stat().st_size == archive["fsize"]
    written = {f"out-{name}": f"events {10 * n + 1} to {10 * n + 10}\n" for n, name in enumerate(names(*range(5)))}
    assert stage.members() == written
    with tarfile.open(stage.storage / "job.log.tgz") as packed:
        kept = [name.partition("/")[2] for name in packed.getnames()]
    own = ["payload.stderr", "payload.stdout", "pilotlog.txt", "transfers.json"]
    assert sorted(kept) == own, "outputs have their own place"
    assert archive["lfn"] in log_member(stage, "transfers.json")


def test_a_job_without_ranges_fails_with_its_own_code_and_runs_no_payload(stage):
    stage.has(0)
    stage.offer()
    stage.run()
    final = stage.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.ES_NO_EVENTS)
    assert final.get("trans_exit_code") is None, "no payload ran"


def test_ranges_that_fail_are_told_with_their_kind_and_the_others_count(stage):
    ranges = stage.has(4)
    stage.offer("1=fail", "11=fatal")
    status, said = stage.run()
    assert status == 0, said
    assert ranges.ends == {
        **{name: ["finished"] for name in names(2, 3)},
        names(0)[0]: ["failed"],
        names(1)[0]: ["fatal"],
    }
    told = {end["eventRangeID"]: end for version, ends in ranges.told if version == 0 for end in ends}
    assert told[names(0)[0]]["errorCode"] == ErrorCode.ES_RECOVERABLE
    assert "bad luck" in told[names(0)[0]]["errorDiag"]
    assert told[names(1)[0]]["errorCode"] == ErrorCode.ES_FATAL
    assert "nRangesFailed=2" in stage.final()["job_metrics"]


@pytest.mark.parametrize(("what", "code"), [("fail", ErrorCode.ES_RECOVERABLE), ("fatal", ErrorCode.ES_FATAL)])
def test_a_job_of_which_no_range_came_to_a_good_end_has_failed(stage, what, code):
    stage.has(2)
    stage.offer(f"1={what}", f"11={what}")
    stage.run()
    assert stage.final()["pilot_error_code"] == code


@pytest.mark.parametrize(
    ("what", "words"), [("outside", "not in the job's directory"), ("link", "symbolic link"), ("empty", "is empty")]
)
def test_an_output_that_may_not_be_stored_fails_its_range_in_words(stage, what, words):
    ranges = stage.has(2)
    stage.offer(f"1={what}")
    stage.run()
    assert (ranges.finished, ranges.failed) == (names(1), names(0))
    assert words in json.dumps(ranges.told)
    assert words in log_member(stage, "payload.stdout"), "the payload was told"
    assert list(stage.members()) == [f"out-{names(1)[0]}"]


def test_a_payload_that_dies_with_a_range_in_hand_loses_that_one_only(stage):
    ranges = stage.has(4)
    stage.offer("21=die")
    stage.run()
    final = stage.final()
    assert (final["job_status"], final["pilot_error_code"]) == ("failed", ErrorCode.PAYLOAD_SIGNALLED)
    assert ranges.finished == names(0, 1)
    assert ranges.failed == names(2), "and the one that nobody had begun is left to the server"
    assert "nEventsW=20" in final["job_metrics"]


def test_why_a_payload_failed_is_told_and_not_that_its_ranges_did(stage):
    ranges = stage.has(1)
    stage.offer("1=exit")
    stage.run()
    final = stage.final()
    assert (final["pilot_error_code"], final["trans_exit_code"]) == (ErrorCode.PAYLOAD_FAILED, 9)
    assert ranges.failed == names(0)


def test_a_payload_that_ends_well_and_leaves_a_range_has_failed_it(stage):
    ranges = stage.has(3)
    stage.offer("11=leave")
    status, said = stage.run()
    assert status == 0, said
    assert (ranges.finished, ranges.failed) == (names(0), names(1))


def release(stage):
    with stage.released.open("w") as told:
        told.write("go")


def test_the_soft_word_stops_the_asking_and_what_runs_may_end(stage):
    ranges = stage.has(50)
    stage.offer("11=hold")
    pilot = stage.start(monitor__heartbeat=0.1)
    stage.reached()
    stage.dispatcher.commands[7] = "softkill"
    stage.dispatcher.wait_for(lambda: len(stage.dispatcher.updates) > 4)
    count = len(stage.dispatcher.updates)
    stage.dispatcher.wait_for(lambda: len(stage.dispatcher.updates) > count + 2)
    release(stage)
    _, said = pilot.communicate(timeout=30)
    assert pilot.returncode == 0, said
    assert ranges.finished == names(0, 1)
    assert ranges.failed == []
    assert stage.final()["job_status"] == "finished"


def test_a_range_that_does_not_end_in_the_time_for_it_is_stopped_and_left_to_the_server(stage):
    ranges = stage.has(50)
    stage.offer("11=hold")
    pilot = stage.start(monitor__heartbeat=0.1, events__soft_grace=0.2, payload__soft_grace=0.2)
    stage.reached()
    stage.dispatcher.commands[7] = "softkill"
    _, said = pilot.communicate(timeout=30)
    assert stage.final()["pilot_error_code"] == ErrorCode.ORDERED_STOP, said
    assert (ranges.finished, ranges.failed) == (names(0), [])


def test_peer_defect_14_a_kill_ends_a_payload_of_event_ranges_and_is_told_as_what_it_was(stage):
    ranges = stage.has(50)
    stage.offer("11=hold")
    pilot = stage.start(monitor__heartbeat=0.1)
    stage.reached()
    stage.dispatcher.commands[7] = "tobekilled"
    pilot.communicate(timeout=30)
    assert stage.final()["pilot_error_code"] == ErrorCode.KILLED_BY_SERVER
    assert ranges.failed == []


def test_heartbeats_tell_the_events_that_are_done(stage):
    stage.has(3)
    stage.offer("11=hold")
    pilot = stage.start(monitor__heartbeat=0.1, events__per_archive=1)
    stage.dispatcher.wait_for(
        lambda: any("nEventsW=10" in said.get("job_metrics", "") for said in stage.dispatcher.updates)
    )
    said = stage.dispatcher.updates[-1]
    assert (said["job_status"], said["n_events"]) == ("running", 10), "the range in hand does not count"
    release(stage)
    pilot.communicate(timeout=30)
    assert stage.final()["n_events"] == 30


def test_what_a_killed_job_has_stored_is_reported_before_its_end_when_the_server_was_away_meanwhile(stage):
    ranges = stage.has(3)
    log = stage.storage / "job.log.tgz"
    stage.dispatcher.misbehave = lambda path, count: (
        (503, b"down") if "vent" in path and not log.exists() and down else None
    )
    down = []
    stage.offer("11=hold")
    pilot = stage.start(monitor__heartbeat=0.1, events__per_archive=1, server__report_wait=0.05)
    stage.reached()
    down.append(True)
    stage.dispatcher.wait_for(lambda: list(stage.objects.rglob("EventService_premerge_*")))
    stage.dispatcher.commands[7] = "tobekilled"
    _, said = pilot.communicate(timeout=30)
    assert stage.final()["pilot_error_code"] == ErrorCode.KILLED_BY_SERVER, said
    assert ranges.finished == names(0), said


def test_a_command_in_the_answer_to_a_report_of_ranges_stops_the_asking(stage):
    ranges = stage.has(30)
    ranges.command = "softkill"
    stage.offer()
    status, said = stage.run(events__per_archive=1)
    assert status == 0, said
    assert 1 <= len(ranges.finished) < 30


def test_peer_defect_9_one_request_is_sent_for_ranges_and_its_answer_is_used(stage):
    ranges = stage.has(3)
    stage.offer()
    stage.run(events__at_once=10)
    assert stage.dispatcher.counts[ASK] == 2, "one brings all, the next one brings none"
    assert len({asked["id"] for asked in ranges.asked}) == 2
    assert ranges.finished == names(0, 1, 2)


def test_an_answer_with_ranges_that_is_lost_is_given_again_by_a_server_of_ours(stage):
    ranges = stage.has(4)
    stage.dispatcher.announces = True
    answer, lost_once = stage.dispatcher._answer, []

    def lose(path, body, headers):
        said = answer(path, body, headers)
        if path == ASK and len(lost_once) < 2:
            lost_once.append(path)
            raise ConnectionAbortedError
        return said

    stage.dispatcher._answer = lose
    stage.offer(cores=2)
    status, said = stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1, 2, 3), "none is lost, none is done twice"


def test_a_report_whose_answer_is_lost_is_repeated_word_by_word(stage):
    ranges = stage.has(2)
    stage.dispatcher.announces = True
    answer, lost_once = stage.dispatcher._answer, []

    def lose(path, body, headers):
        said = answer(path, body, headers)
        if path == TELL and len(lost_once) < 3:
            lost_once.append(path)
            raise ConnectionAbortedError
        return said

    stage.dispatcher._answer = lose
    stage.offer()
    status, said = stage.run()
    assert status == 0, said
    assert len({json.dumps(told) for told in ranges.told}) == 1
    assert ranges.finished == names(0, 1)


def test_ranges_wait_for_a_server_that_is_down_for_a_while(stage):
    ranges = stage.has(6)
    stage.dispatcher.announces = True
    stage.dispatcher.misbehave = lambda path, count: (503, b"down") if path in (ASK, TELL) and 1 <= count <= 3 else None
    stage.offer(cores=2)
    status, said = stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1, 2, 3, 4, 5)


def test_a_panda_server_that_breaks_over_its_own_answer_is_told_in_the_older_words(stage):
    ranges = stage.has(2)
    stage.dispatcher.misbehave = lambda path, count: (500, b"unhashable type") if path == TELL else None
    stage.offer()
    status, said = stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1)
    assert stage.dispatcher.counts[TELL_LEGACY] == 1


def test_ranges_that_the_server_does_not_want_any_more_count_as_nothing(stage):
    ranges = stage.has(2)
    ranges.unwanted = set(names(0))
    stage.offer()
    status, said = stage.run()
    assert status == 0, said
    assert "nEventsW=10" in stage.final()["job_metrics"]


def test_a_job_whose_outputs_cannot_be_stored_is_ended_with_the_reason(stage):
    ranges = stage.has(1000)
    shutil.rmtree(stage.objects)
    stage.offer("41=hold")
    stage.run(events__per_archive=1, events__store_failures=3, copy__attempts=1)
    final = stage.final()
    assert final["job_status"] == "failed"
    assert ErrorCode(final["pilot_error_code"]) in (ErrorCode.STAGE_OUT_FAILED, ErrorCode.UNREACHABLE_NETWORK)
    assert "tried 3 times" in final["pilot_error_diag"]
    assert (ranges.finished, ranges.failed) == ([], []), "the server gives them to somebody else"


def test_a_storage_that_is_away_for_a_while_loses_nothing(stage):
    ranges = stage.has(3)
    stage.objects.rename(stage.folder / "away")
    stage.offer("21=hold")
    pilot = stage.start(events__per_archive=1, copy__attempts=1)
    stage.reached()
    (stage.folder / "away").rename(stage.objects)
    release(stage)
    _, said = pilot.communicate(timeout=30)
    assert pilot.returncode == 0, said
    assert ranges.finished == names(0, 1, 2)
    assert len(ranges.archives()) == 3


def test_too_many_failures_in_a_row_end_the_handing_out(stage):
    ranges = stage.has(100)
    stage.offer(*(f"{10 * n + 1}=fail" for n in range(100)))
    stage.run(events__failures=3)
    assert ranges.failed == names(0, 1, 2), "a node that fails every range does not use up the task's"


def test_no_ranges_are_asked_for_when_there_is_no_time_for_them(stage):
    ranges = stage.has(5)
    stage.offer(max_walltime=100)
    stage.run(events__reserve=200)
    assert ranges.asked == []
    assert stage.final()["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME


def test_outputs_that_a_job_names_are_for_the_job_that_merges(stage):
    stage.has(1)
    stage.offer()
    stage.offer(outputs=["merged"])
    status, said = stage.run()
    assert status == 0, said


MERGE = 'read option < "${1#@}"; tail -n +2 "${1#@}" | xargs cat > merged; echo "$option"'


def test_what_ranges_have_stored_is_read_from_there_and_merged(stage):
    ranges = stage.has(3)
    stage.offer()
    stage.run()
    (stored,) = stage.objects.rglob(ranges.archives()[0]["lfn"])
    (stage.objects / "ds").mkdir()
    stored.rename(stage.objects / "ds" / stored.name)
    stage.dispatcher.queue["astorages"]["es_events_read"] = ["OBJECTS"]
    stage.dispatcher.queue["acopytools"]["es_events_read"] = ["local"]
    entry = stage.dispatcher.storages["OBJECTS"]["arprotocols"]
    entry["es_events_read"] = entry["es_events"]
    spec = job(
        *("/bin/sh", "-c", MERGE, "sh", "--inputs=@inputFor_merged"),
        id=8,
        inputs=[stored.name],
        outputs=["merged"],
        merges_events=True,
        input_lists=(InputList("inputFor_merged", tuple(f"out-{name}" for name in names(0, 1, 2))),),
        log="merge.log.tgz",
    )
    stage.dispatcher.jobs = [spec]
    status, said = stage.run()
    assert status == 0, said
    assert (stage.storage / "merged").read_text().splitlines() == [
        f"events {10 * n + 1} to {10 * n + 10}" for n in range(3)
    ]
    with tarfile.open(stage.storage / "merge.log.tgz") as packed:
        assert not [name for name in packed.getnames() if "out-" in name], "members do not swell the log"


def test_a_path_that_is_too_long_for_a_socket_is_reached_all_the_same(stage):
    ranges = stage.has(2)
    stage.base = stage.folder / ("long" * 20) / ("longer" * 10)
    stage.base.mkdir(parents=True)
    stage.offer()
    status, said = stage.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1)


EACH = 'echo "$1 $2" > "$3"; test "$1" != 21'


def test_a_program_that_knows_nothing_of_ranges_is_started_for_each(stage):
    ranges = stage.has(4)
    stage.dispatcher.jobs = [
        job(
            "/bin/sh", "-c", EACH, "sh", "{startEvent}", "{lastEvent}", "{output}",
            events=True, jobset_id=5, cores=2,
        )
    ]  # fmt: skip
    status, said = stage.run()
    assert status == 0, said
    assert (ranges.finished, ranges.failed) == (names(0, 1, 3), names(2))
    assert stage.members() == {
        f"{name}.out": f"{10 * n + 1} {10 * n + 10}\n" for n, name in zip((0, 1, 3), names(0, 1, 3))
    }


SHELL = """
while id=$(python3 "$COMPASS_EVENTS_CLIENT" next --field eventRangeID); do
  case "$id" in *-1-3) python3 "$COMPASS_EVENTS_CLIENT" failed "$id" no luck; continue;; esac
  echo "$id" > "out-$id"
  python3 "$COMPASS_EVENTS_CLIENT" done "$id" "out-$id" || exit 1
done
"""


def test_a_script_can_be_a_payload_of_ranges(stage):
    ranges = stage.has(3)
    stage.dispatcher.jobs = [job("/bin/sh", "-c", SHELL, events=True, jobset_id=5)]
    status, said = stage.run()
    assert status == 0, said
    assert (ranges.finished, ranges.failed) == (names(0, 2), names(1))


WORKERS = """
import os, sys, threading
sys.path.append(os.getcwd())
import compass_events

def work(number):
    with compass_events.Events() as line:
        for one in line:
            path = f"out-{one['eventRangeID']}"
            with open(path, "w") as file:
                file.write(str(number))
            line.done(one["eventRangeID"], path)

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_many_workers_of_one_payload_get_each_range_once(stage):
    ranges = stage.has(60)
    (stage.storage / "workers.py").write_text(WORKERS)
    stage.dispatcher.jobs = [
        job(sys.executable, "workers.py", inputs=["workers.py"], events=True, jobset_id=5, cores=2)
    ]
    status, said = stage.run()
    assert status == 0, said
    assert len(ranges.finished) == 60
    assert len(stage.members()) == 60
