"""What cannot be had from a small cluster: accounts, several clusters, lost jobs; Slurm's answers here are recorded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from server.batch.base import BatchFailed, BatchState, Needs, Template, Window
from server.batch.place import Place
from server.batch.slurm import SlurmBatch
from server.batch.slurm_answers import FIELDS, WAITING
from server.batch.slurm_questions import _NAMES
from tests.server.batch.test_slurm_answers import written
from tests.server.batch.test_slurm_files import full

TEMPLATE = Template("key", ("/bin/true",), {}, 60.0)
CONFIG = "MaxArraySize            = 3\n"


PROGRAM = """#!/bin/sh
case "$0" in */sbatch)
    IFS= read -r line || exit 1 # without a script nothing is submitted
    printf '%s\\n' "$line" >>"$0.heard"
    while IFS= read -r line; do printf '%s\\n' "$line" >>"$0.heard"; done ;;
esac
turn=0
while read -r _; do turn=$((turn + 1)); done <"$0.said"
echo "$*" >>"$0.said"
read -r last <"$0.last"
[ "$turn" -le "$last" ] || turn=$last
cat "$0.$turn.errors" >&2
cat "$0.$turn.output"
read -r status <"$0.$turn.status"
exit "$status"
"""


HIDING = '#!/bin/sh\ncase " $* " in *" --all "*) cat "${0%/*}/everything" ;; esac'


class Recorded:
    """Programs that write what they are told, one answer for each call, the last one for all further calls."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for program in ("scontrol", "squeue", "sacct", "scancel", "sinfo", "sbatch"):
            (folder / program).write_text(PROGRAM)
            (folder / program).chmod(0o755)
            self.answer(program, CONFIG if program == "scontrol" else "")

    def answer(self, program, *answers):
        """Say what a program answers from now on: what it writes, or that, its exit status and its errors."""
        for turn, each in enumerate(answers):
            output, status, errors = (each, 0, "") if isinstance(each, str) else each
            for name, text in (("output", output), ("status", f"{status}\n"), ("errors", errors)):
                (self.folder / f"{program}.{turn}.{name}").write_text(text)
        (self.folder / f"{program}.last").write_text(f"{len(answers) - 1}\n")
        (self.folder / f"{program}.said").write_text("")

    def said(self, program):
        """Answer the words of each call."""
        return (self.folder / f"{program}.said").read_text().splitlines()


@pytest.fixture
def recorded(tmp_path):
    return Recorded(tmp_path / "programs")


@pytest.fixture
def opened(recorded, tmp_path):
    def opened(**options):
        return SlurmBatch.open(Place("here", tmp_path / "here", {"programs": str(recorded.folder), **options}))

    return opened


def row(array, index, state, **more):
    values = {"restarts": 0, "code": 0, "start": "N/A", "end": "N/A", "host": "n/a", "reason": "None", **more}
    return written(FIELDS, array, index, state, *values.values())


def test_a_submission_is_one_command_for_each_array_and_says_all_that_matters(recorded, opened, tmp_path):
    recorded.answer("sbatch", "7\n", "9\n")
    system = opened(python="/opt/python")
    template = Template("key", ("/bin/true",), {}, 60.0, needs=Needs(wall_time=600.0), options={"partition": "long"})
    assert system.submit(template, 5) == ("7_0", "7_1", "7_2", "9_0", "9_1")
    first, second = recorded.said("sbatch")
    home = tmp_path / "here/jobs/key"
    for words in ("--parsable", "--array=0-2", "--no-requeue", "--export=ALL", "--partition=long", "--time=10"):
        assert words in first.split()
    heard = (recorded.folder / "sbatch.heard").read_text()
    assert heard == "".join(
        f"#!/bin/sh\nexec /opt/python -I -S {home}/node.pyz {home} {number} 0\n" for number in (0, 3)
    )
    assert "--array=0-1" in second.split()
    assert system.find("key") == {0: "7_0", 1: "7_1", 2: "7_2", 3: "9_0", 4: "9_1"}
    assert recorded.said("squeue") == []


def test_a_refusal_in_the_middle_leaves_what_was_taken_and_closes_the_rest(recorded, opened):
    recorded.answer("sbatch", "7\n", ("", 1, "sbatch: error: Job violates accounting/QOS policy\n"))
    system = opened()
    with pytest.raises(BatchFailed, match="key: sbatch: .*Job violates accounting/QOS policy"):
        system.submit(TEMPLATE, 8)
    assert system.find("key") == {0: "7_0", 1: "7_1", 2: "7_2"}
    assert recorded.said("squeue") == []
    assert len(recorded.said("sbatch")) == 2


def test_a_queue_that_is_full_is_not_waited_for(recorded, opened):
    (recorded.folder / "sbatch").write_text(
        "#!/bin/sh\necho 'Slurm job queue full, sleeping and retrying' >&2; sleep 60"
    )
    with pytest.raises(BatchFailed, match="its queue is full"):
        opened().submit(TEMPLATE, 1)
    assert opened().find("key") == {}


def test_a_command_that_hangs_is_ended_and_says_so(recorded, opened):
    (recorded.folder / "squeue").write_text("#!/bin/sh\necho 'slow' >&2; sleep 60 & wait")
    recorded.answer("sbatch", "7\n")
    system = opened(timeout=0.5)
    ids = system.submit(TEMPLATE, 1)
    with pytest.raises(BatchFailed, match="squeue did not answer within 0.5 s: slow"):
        system.status(ids)


def test_no_answer_is_cut_off_because_a_disk_is_full(recorded, three, monkeypatch):
    system, ids = three
    recorded.answer("squeue", row(7, 0, "RUNNING"))
    monkeypatch.setattr("tempfile.tempdir", "/there/is/no/room")
    assert system.status(ids[:1])[ids[0]].state is BatchState.RUNNING


def test_a_command_that_is_not_there_is_named(recorded, opened):
    (recorded.folder / "scontrol").unlink()
    with pytest.raises(BatchFailed, match="programs/scontrol cannot be started: No such file"):
        opened().submit(TEMPLATE, 1)


def test_a_submission_whose_answer_was_lost_is_asked_for_by_its_name_in_the_queue_and_in_the_accounts(recorded, opened):
    recorded.answer("sbatch", ("", 1, "sbatch: error: Batch job submission failed: Zero Bytes were transmitted\n"))
    system = opened()
    with pytest.raises(BatchFailed, match="Zero Bytes"):
        system.submit(TEMPLATE, 4)
    (call,) = recorded.said("sbatch")
    name = next(word for word in call.split() if word.startswith("--job-name=")).partition("=")[2]
    recorded.answer("sacct", f"31_0|{name}\n31_[1-2]|{name}\n77|other\n")
    assert system.find("key") == {0: "31_0", 1: "31_1", 2: "31_2"}
    assert f"--name={name}," in recorded.said("squeue")[0]
    assert opened().find("key") == system.find("key")
    assert len(recorded.said("squeue")) == 1


def test_of_two_arrays_of_one_name_one_counts_and_the_other_is_cancelled(recorded, opened):
    recorded.answer("sbatch", ("", 1, "sbatch: error: timed out\n"))
    system = opened()
    with pytest.raises(BatchFailed):
        system.submit(TEMPLATE, 1)
    name = next(word for word in recorded.said("sbatch")[0].split() if "--job-name=" in word).partition("=")[2]
    recorded.answer("squeue", written(_NAMES, 5, name) + written(_NAMES, 6, name))
    assert system.find("key") == {0: "5_0"}
    assert recorded.said("scancel") == ["6"]


def test_nothing_is_concluded_while_slurm_does_not_answer(recorded, opened):
    recorded.answer("sbatch", ("", 1, "sbatch: error: Unable to contact slurm controller\n"))
    recorded.answer("squeue", ("", 1, "slurm_load_jobs error: Unable to contact slurm controller\n"))
    system = opened()
    for ask in (lambda: system.submit(TEMPLATE, 1), lambda: system.find("key")):
        with pytest.raises(BatchFailed, match="Unable to contact"):
            ask()
    recorded.answer("squeue", "")
    assert system.find("key") == {}


@pytest.fixture
def three(recorded, opened):
    recorded.answer("sbatch", "7\n")
    system = opened()
    return system, system.submit(TEMPLATE, 3)


def test_one_question_is_asked_for_all_jobs_and_one_for_those_that_the_controller_has_forgotten(recorded, three):
    system, ids = three
    recorded.answer("squeue", row(7, 0, "RUNNING", start=1000, host="n1"))
    recorded.answer("sacct", "7_1|COMPLETED|0:0|1000|1060|n2\n7_2|NODE_FAIL|0:0|1000|1060|n3\n")
    found = system.status(ids)
    assert [found[job].state for job in ids] == [BatchState.RUNNING, BatchState.DONE, BatchState.DONE]
    assert [found[job].exit_status for job in ids] == [None, 0, None]
    assert found[ids[2]].words == "its node failed (NODE_FAIL)"
    assert (len(recorded.said("squeue")), len(recorded.said("sacct"))) == (1, 1)
    assert "--jobs=7" in recorded.said("sacct")[0].split()


def test_jobs_in_a_hidden_partition_are_asked_for_like_all_others(recorded, three):
    system, ids = three
    # Squeue of an ordinary user leaves out jobs in hidden partitions, unless it is told to show all.
    (recorded.folder / "everything").write_text(row(7, 0, "RUNNING", start=1000, host="n1"))
    (recorded.folder / "squeue").write_text(HIDING)
    assert system.status(ids[:1])[ids[0]].state is BatchState.RUNNING
    system.cancel(ids[:1])
    assert recorded.said("scancel") == ["--batch --signal=TERM --ctld 7_0"]


def test_an_array_in_a_hidden_partition_is_found_after_a_crash(recorded, opened):
    recorded.answer("sbatch", ("", 1, "sbatch: error: timed out\n"))
    with pytest.raises(BatchFailed):
        opened().submit(TEMPLATE, 1)
    name = next(word for word in recorded.said("sbatch")[0].split() if "--job-name=" in word).partition("=")[2]
    (recorded.folder / "everything").write_text(written(_NAMES, 5, name))
    (recorded.folder / "squeue").write_text(HIDING)
    assert opened().find("key") == {0: "5_0"}


def test_an_end_that_was_seen_once_is_told_for_ever(recorded, three):
    system, ids = three
    recorded.answer("squeue", *[row(7, 0, "TIMEOUT", code=15, start=1000, end=1060, host="n1", reason="TimeLimit")], "")
    first = system.status(ids[:1])
    assert first[ids[0]].words == "its time limit was over (TIMEOUT, TimeLimit)"
    assert system.history(ids) == first


def test_a_job_is_lost_when_the_controller_and_the_accounts_do_not_know_it(recorded, three):
    system, ids = three
    recorded.answer("sacct", ("", 1, "Slurm accounting storage is disabled\n"))
    assert {job.state for job in system.status(ids).values()} == {BatchState.LOST}
    recorded.answer("sacct", "7_0|RUNNING|0:0|1000|Unknown|n1\n")
    found = system.status(ids[:1])[ids[0]]
    assert found.state is BatchState.LOST
    assert found.words.endswith("the accounts call it RUNNING")


def test_a_job_is_not_lost_while_the_accounts_do_not_answer(recorded, three):
    system, ids = three
    recorded.answer("sacct", ("", 1, "sacct: error: slurm_persist_conn_open_without_init: Connection refused\n"))
    with pytest.raises(BatchFailed, match="sacct: .*Connection refused"):
        system.status(ids)


def test_accounts_that_a_site_does_not_have_are_not_asked(recorded, opened, three):
    _, ids = three
    assert opened(accounting=False).status(ids)[ids[0]].state is BatchState.LOST
    assert recorded.said("sacct") == []


def test_several_clusters_are_asked_one_by_one_and_named_in_ids(recorded, opened):
    recorded.answer("sbatch", "7;beta\n")
    system = opened(clusters="alpha,beta")
    (job,) = system.submit(TEMPLATE, 1)
    assert job == "7_0@beta"
    assert recorded.said("sbatch")[0].startswith("--clusters=alpha,beta ")
    assert (recorded.folder / "sbatch.heard").read_text().endswith(" 0 1\n")
    recorded.answer("squeue", "CLUSTER: beta\n" + row(7, 0, "RUNNING", start=1000, host="b1"))
    assert system.status([job])[job].node == "b1"
    system.cancel([job])
    assert all(call.startswith("--clusters=beta ") for call in recorded.said("squeue") + recorded.said("scancel"))
    assert system.directory(job).name == "0"
    assert system.window({}) is None


def test_what_waits_is_cancelled_at_once_and_what_runs_is_told_and_ended_after_its_grace(recorded, three):
    system, ids = three
    recorded.answer("squeue", row(7, 0, "RUNNING") + row(7, 1, "PENDING") + row(7, 2, "COMPLETED"))
    system.cancel(ids)
    assert recorded.said("scancel") == ["--batch --signal=TERM --ctld 7_0", "7_1"]
    (system.directory("7_0") / "stop").write_text("1000.0\n")
    recorded.answer("scancel", "")
    system.cancel(ids)
    assert recorded.said("scancel") == ["7_0 7_1"]


def test_an_order_to_stop_that_is_just_being_written_takes_no_grace_away(recorded, three):
    system, ids = three
    recorded.answer("squeue", row(7, 0, "RUNNING"))
    system.directory(ids[0]).mkdir()
    (system.directory(ids[0]) / "stop").touch()
    system.cancel(ids)
    assert recorded.said("scancel") == ["--batch --signal=TERM --ctld 7_0"]


@pytest.mark.parametrize("name", ["jobs/key/plan.json", "ids/7"])
def test_nothing_is_concluded_from_a_damaged_file_of_a_submission(recorded, three, opened, tmp_path, name):
    _, ids = three
    (tmp_path / "here" / name).write_text("")
    with pytest.raises(BatchFailed, match=f"{name} is damaged"):
        opened().find("key") if "plan" in name else opened().status(ids)


def test_what_ended_in_the_meantime_is_no_failure_of_a_cancellation_and_all_else_is(recorded, three):
    system, ids = three
    recorded.answer("squeue", row(7, 1, "PENDING"))
    recorded.answer("scancel", ("", 1, "scancel: error: Kill job error on job id 7_1: Invalid job id specified\n"))
    system.cancel(ids)
    recorded.answer("scancel", ("", 1, "scancel: error: Kill job error on job id 7_1: Access/permission denied\n"))
    with pytest.raises(BatchFailed, match="scancel: .*permission denied"):
        system.cancel(ids)


def test_files_that_somebody_has_removed_keep_nobody_from_asking_and_cancelling(recorded, three, tmp_path):
    system, ids = three
    shutil.rmtree(tmp_path / "here/jobs/key")
    recorded.answer("squeue", row(7, 0, "RUNNING") + row(7, 1, "PENDING") + row(7, 2, "FAILED", code=3 << 8))
    found = system.status(ids)
    assert [found[job].exit_status for job in ids] == [None, None, 3]
    system.cancel(ids)
    assert recorded.said("scancel") == ["7_0 7_1"]
    system.forget(ids)
    assert system.find("key") == {}


def test_a_shared_disk_that_is_full_keeps_nobody_from_asking_and_cancelling(recorded, three, monkeypatch):
    system, ids = three
    monkeypatch.setattr(Path, "mkdir", full)
    recorded.answer("squeue", row(7, 0, "RUNNING") + row(7, 1, "PENDING") + row(7, 2, "FAILED", code=3 << 8))
    assert system.status(ids)[ids[2]].exit_status == 3
    system.cancel(ids)
    assert recorded.said("scancel") == ["7_0 7_1"]


def test_an_array_that_was_given_up_meanwhile_is_cancelled_and_no_success(recorded, opened, tmp_path):
    system = opened()
    part = tmp_path / "here/jobs/key/part-0"
    (recorded.folder / "sbatch").write_text(f"#!/bin/sh\nread -r _\n: >{part}\necho 7\n")
    with pytest.raises(BatchFailed, match="key: sbatch: 7"):
        system.submit(TEMPLATE, 1)
    assert recorded.said("scancel") == ["7"]
    assert system.find("key") == {}


def test_the_window_is_of_the_default_partition_unless_one_is_named(recorded, opened):
    recorded.answer("sinfo", "standard*|idle|3\nstandard*|allocated|2\ndebug|idle|1\n")
    assert opened().window({}) == Window(3, None)
    assert "--partition=standard" in recorded.said("squeue")[0].split()
    recorded.answer("sinfo", "debug|idle|1\n")
    recorded.answer("squeue", written(WAITING, "PENDING", "N/A", "Priority"))
    assert opened().window({"partition": "debug"}) is None


@pytest.mark.parametrize("job", ["../../etc/1", "7", "7_0_1", "8_0", "7_0@other", "7_9999"])
def test_an_id_that_is_none_of_ours_has_no_directory_and_is_lost(three, job):
    system, _ = three
    if job != "7_9999":
        with pytest.raises(BatchFailed, match="not an id of a job that here has submitted"):
            system.directory(job)
    assert system.status([job])[job].state is BatchState.LOST


@pytest.mark.parametrize("key", ["../up", "", "a/b", "-x", "é"])
def test_a_key_that_could_lead_elsewhere_is_refused(opened, key):
    with pytest.raises(BatchFailed, match="key"):
        opened().submit(Template(key, ("/bin/true",), {}), 1)
    assert opened().find(key) == {}


def test_orders_and_copies_of_files_are_readable_by_their_user_only(recorded, opened, tmp_path):
    (tmp_path / "pass").write_text("secret")
    recorded.answer("sbatch", "7\n")
    opened().submit(Template("key", ("/bin/true",), {}, files={"pass": tmp_path / "pass"}), 1)
    home = tmp_path / "here/jobs/key"
    assert home.stat().st_mode & 0o77 == 0
    assert all((home / name).stat().st_mode & 0o77 == 0 for name in ("order.json", "files/pass", "plan.json"))


def test_a_job_finds_the_sites_own_commands_behind_all_others(recorded, opened, tmp_path):
    recorded.answer("sbatch", "7\n")
    opened().submit(Template("key", ("/bin/true",), {"PATH": "/bin"}), 1)
    order = json.loads((tmp_path / "here/jobs/key/order.json").read_text())
    assert order["environment"] == {"PATH": f"/bin:{recorded.folder}"}


def test_what_several_submissions_are_given_is_copied_once_until_it_changes(recorded, opened, tmp_path):
    recorded.answer("sbatch", "7\n", "8\n", "9\n", "10\n")
    system, given, found = opened(), tmp_path / "bundle", []
    for key, text in (("a", "one"), ("b", "one"), ("c", "another")):
        if not given.exists() or given.read_text() != text:
            given.write_text(text)
        system.submit(Template(key, ("/bin/true",), {}, files={"bundle": given}), 1)
        found.append(tmp_path / f"here/jobs/{key}/files/bundle")
    assert [path.read_text() for path in found] == ["one", "one", "another"]
    assert found[0].samefile(found[1])
    assert [path.stat().st_mode & 0o777 for path in found] == [0o400] * 3
    shutil.rmtree(tmp_path / "here/jobs/c")
    system.submit(Template("d", ("/bin/true",), {}, files={"bundle": given}), 1)
    assert (tmp_path / "here/jobs/d/files/bundle").read_text() == "another"


def test_nothing_is_left_of_a_submission_that_was_refused(recorded, opened, tmp_path):
    recorded.answer("sbatch", ("", 1, "sbatch: error: invalid partition specified: x\n"))
    with pytest.raises(BatchFailed, match="invalid partition"):
        opened().submit(TEMPLATE, 1)
    assert [list((tmp_path / "here" / name).iterdir()) for name in ("jobs", "locks")] == [[], []]
    assert opened().find("key") == {}


def test_what_was_given_up_leaves_its_mark_for_a_day_and_then_nothing(recorded, opened, tmp_path):
    (tmp_path / "pass").write_text("secret")
    recorded.answer("sbatch", ("", 1, "sbatch: error: Batch job submission failed: Socket timed out\n"), "8\n")
    system, here = opened(), tmp_path / "here"
    with pytest.raises(BatchFailed, match="timed out"):
        system.submit(Template("key", ("/bin/true",), {}, files={"pass": tmp_path / "pass"}), 1)
    assert system.find("key") == {}
    system.forget([])
    assert not (here / "jobs/key/files").exists()
    assert (here / "jobs/key/part-0").read_text() == ""  # what comes all the same finds that
    os.utime(here / "closed/key", (1, 1))
    assert system.submit(Template("other", ("/bin/true",), {}), 1) == ("8_0",)
    system.forget([])
    left = [[path.name for path in (here / name).iterdir()] for name in ("jobs", "locks", "closed")]
    assert left == [["other"], ["other"], []]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ""])
def test_a_file_whose_name_could_lead_elsewhere_is_refused(opened, tmp_path, name):
    (tmp_path / "pass").touch()
    with pytest.raises(BatchFailed, match="cannot be the name of a file"):
        opened().submit(Template("key", ("/bin/true",), {}, files={name: tmp_path / "pass"}), 1)


def test_a_submission_that_broke_before_anything_was_sent_is_nothing_and_leaves_no_files(recorded, opened, tmp_path):
    missing = {"pass": tmp_path / "pass", "other": tmp_path / "nowhere"}
    (tmp_path / "pass").write_text("secret")
    with pytest.raises(BatchFailed, match="nowhere"):
        opened().submit(Template("key", ("/bin/true",), {}, files=missing), 1)
    assert opened().find("key") == {}
    assert list((tmp_path / "here/jobs").iterdir()) == []
    assert recorded.said("sbatch") == []


def test_the_shared_folder_holds_each_system_by_its_name(recorded, opened, tmp_path):
    recorded.answer("sbatch", "7\n")
    (job,) = opened(folder=str(tmp_path / "shared")).submit(TEMPLATE, 1)
    assert opened(folder=str(tmp_path / "shared")).directory(job) == tmp_path / "shared/here/jobs/key/0"


def test_a_disk_that_refuses_is_a_failure_of_the_batch_system(opened, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BatchFailed, match="Not a directory"):
        opened(folder=str(tmp_path / "file")).submit(TEMPLATE, 1)
