"""Tests of what the server asks of Rucio, against a real one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from server.storage import rucio_apart
from server.storage.apart import Apart
from server.storage.base import Fault, FaultKind, StorageMisconfigured, StorageUnavailable
from server.storage.rucio import File, Known, Name, Replica, ReplicaState, Rucio, Rule, RuleState, Wish
from tests.services.rucio import ACCOUNT, DISK, OTHER, PASSWORD, SCOPE

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def asked(rucio):
    return Rucio(str(rucio.home), patience=30)


@pytest.fixture
def name():
    """Answer names that nobody has had."""
    own = uuid.uuid4().hex[:12]
    return lambda end="": Name(SCOPE, f"{own}{end}")


def files_of(name, count):
    guid = "0123456789AB4DEF8000{:012X}"
    return [File(name(f".{n}"), 10 + n, f"adler32:{n:08x}", guid.format(n)) for n in range(count)]


@pytest.fixture
def filled(asked, name):
    """A dataset with three files on one storage."""
    dataset, files = name(".set"), files_of(name, 3)
    assert asked.add_datasets([dataset]) == {dataset: None}
    assert asked.attach({dataset: files}, DISK) == {dataset: None}
    return dataset, files


def test_datasets_that_are_there_are_as_good_as_new_ones(asked, name):
    old, new, wrong = name(".old"), name(".new"), Name("nobodys", "a")
    assert asked.add_datasets([old]) == {old: None}
    answers = asked.add_datasets([old, new, wrong])
    assert (answers[old], answers[new]) == (None, None)
    assert answers[wrong].kind is FaultKind.ABSENT
    assert answers[wrong].words.startswith("ScopeNotFound: ")
    assert asked.describe([old, new, name(".none")]) == {
        old: Known(True, None, None, True),
        new: Known(True, None, None, True),
        name(".none"): Fault(FaultKind.ABSENT, f"Rucio knows no {name('.none')}"),
    }


def test_files_are_registered_and_attached_in_one_go_and_once(asked, name, filled):
    dataset, files = filled
    assert asked.attach({dataset: files}, DISK) == {dataset: None}
    assert sorted(asked.list_files(dataset), key=lambda file: file.size) == files
    assert asked.describe([files[1].name]) == {files[1].name: Known(False, 11, 1, False, "adler32:00000001")}


def test_a_dataset_whose_files_are_not_as_registered_is_told_and_others_get_theirs(asked, name, filled):
    _, files = filled
    good, bad, none = name(".good"), name(".bad"), name(".none")
    asked.add_datasets([good, bad])
    wrong = File(files[0].name, files[0].size, "adler32:ffffffff")
    answers = asked.attach({good: files[:2], bad: [wrong], none: files[:1]}, DISK)
    assert answers[good] is None
    assert answers[bad].kind is FaultKind.FAILED
    assert "FileConsistencyMismatch" in answers[bad].words
    assert answers[none].kind is FaultKind.ABSENT
    assert [file.name for file in asked.list_files(bad)] == []


def test_a_closed_dataset_takes_no_more_files(asked, name, filled):
    dataset, _ = filled
    answers = asked.close([dataset, name(".none"), dataset])
    assert answers[dataset] is None
    assert answers[name(".none")].kind is FaultKind.ABSENT
    assert asked.describe([dataset])[dataset] == Known(True, 33, 3, False)
    more = File(name(".more"), 1, "adler32:00000009")
    assert isinstance(asked.attach({dataset: [more]}, DISK)[dataset], Fault)


def test_replicas_are_registered_and_told_by_storage(rucio, asked, name, filled):
    _, files = filled
    assert asked.add_replicas(files[:1], OTHER) == {files[0].name: None}
    assert asked.add_replicas(files[:2], OTHER) == {files[0].name: None, files[1].name: None}
    answers = asked.replicas([file.name for file in files] + [name(".none")])
    assert {str(file.name): set(answers[file.name]) for file in files} == {
        str(files[0].name): {DISK, OTHER},
        str(files[1].name): {DISK, OTHER},
        str(files[2].name): {DISK},
    }
    replica = answers[files[0].name][DISK]
    assert replica.state is ReplicaState.AVAILABLE
    assert replica.url.startswith("file://localhost" + str(rucio.disk))
    assert isinstance(replica, Replica)
    assert answers[name(".none")].kind is FaultKind.ABSENT


def test_another_content_is_not_registered_as_a_replica(asked, filled):
    _, files = filled
    larger, other = (
        File(files[n].name, size, sum_) for n, size, sum_ in [(0, 99, files[0].checksum), (1, 11, "adler32:ff")]
    )
    answers = asked.add_replicas([larger, other, files[2]], OTHER)
    assert answers == {
        larger.name: Fault(FaultKind.FAILED, "bytes 10 is registered, 99 is to be"),
        other.name: Fault(FaultKind.FAILED, "adler32 00000001 is registered, ff is to be"),
        files[2].name: None,
    }


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([], []),
        ([3, 4], [[3, 4]]),
        ([1000, 1], [[1000], [1]]),
        ([2005], [[1000], [1000], [5]]),
        ([600, 1400, 3], [[600], [1000], [400, 3]]),
    ],
)
def test_no_call_has_more_files_than_rucio_takes(sizes, calls):
    wanted = [{"name": str(n), "dids": [f"{n}.{m}" for m in range(size)]} for n, size in enumerate(sizes)]
    found = list(rucio_apart.shared_out(wanted))
    assert [[len(one["dids"]) for one in call] for call in found] == calls
    assert [did for call in found for one in call for did in one["dids"]] == [
        did for one in wanted for did in one["dids"]
    ]


def test_a_rule_is_ok_where_all_is_there_and_replicating_where_it_is_not(asked, filled):
    dataset, _ = filled
    here, there = Wish(dataset, DISK), Wish(dataset, OTHER, lifetime=3600)
    numbers = asked.add_rules([here, there])
    assert asked.rules([numbers[here], numbers[there], "0" * 32]) == {
        numbers[here]: Rule(RuleState.OK, ok=3),
        numbers[there]: Rule(RuleState.REPLICATING, replicating=3),
        "0" * 32: Rule(RuleState.GONE),
    }


def test_a_wish_that_was_granted_before_has_the_same_rule(asked, filled):
    dataset, files = filled
    old, new = Wish(dataset, DISK), Wish(files[0].name, DISK)
    first = asked.add_rules([old])
    again = asked.add_rules([old, new])
    assert again[old] == first[old]
    assert again[new] != first[old]


def test_wishes_that_cannot_be_granted_are_told_one_by_one(asked, name, filled):
    dataset, _ = filled
    good, absent, nowhere = Wish(dataset, DISK), Wish(name(".none"), DISK), Wish(dataset, "NOWHERE")
    answers = asked.add_rules([good, absent, nowhere])
    assert isinstance(answers[good], str)
    assert answers[absent].kind is FaultKind.ABSENT
    assert answers[nowhere].kind is FaultKind.ABSENT
    assert answers[nowhere].words.startswith("InvalidRSEExpression: ")


def test_many_rules_are_asked_for_at_once(asked, name):
    begun = datetime.now(UTC) - timedelta(seconds=5)
    files = files_of(name, 2 * rucio_apart.FEW)
    asked.add_replicas(files, DISK)
    numbers = list(asked.add_rules([Wish(file.name, DISK) for file in files]).values())
    assert set(asked.rules(numbers, begun).values()) == {Rule(RuleState.OK, ok=1)}
    assert set(asked.rules(numbers).values()) == {Rule(RuleState.OK, ok=1)}
    late = asked.rules(numbers, datetime.now(UTC) + timedelta(hours=1))
    assert set(late.values()) == {Rule(RuleState.GONE)}


def test_a_rule_may_be_deleted_twice(asked, filled):
    dataset, _ = filled
    wish = Wish(dataset, DISK)
    number = asked.add_rules([wish])[wish]
    assert asked.delete_rules([number, "0" * 32]) == {number: None, "0" * 32: None}
    assert asked.delete_rules([number]) == {number: None}
    assert asked.rules([number])[number].state is RuleState.OK  # for another hour, as Rucio has it


def test_a_rule_lives_from_an_empty_dataset_to_files_that_have_arrived(rucio, asked, name):
    dataset, files = name(".late"), files_of(name, 2)
    asked.add_datasets([dataset])
    wish = Wish(dataset, OTHER)
    number = asked.add_rules([wish])[wish]
    assert asked.rules([number])[number] == Rule(RuleState.OK)  # there is nothing to be copied yet
    asked.attach({dataset: files}, DISK)
    rucio.run_daemon("judge-evaluator")
    assert asked.rules([number])[number] == Rule(RuleState.REPLICATING, replicating=2)
    asking = Apart("tests.server.storage.asking_rucio", {"RUCIO_HOME": str(rucio.home)})
    there = [file.name._asdict() for file in files]
    (_,) = asking.ask("arrive", {"endpoint": OTHER, "files": there}, patience=30)
    assert asked.rules([number])[number] == Rule(RuleState.OK, ok=2)
    (_,) = asking.ask("give_up", {"rule": number}, patience=30)
    assert asked.rules([number])[number].state is RuleState.STUCK
    assert {each[OTHER].state for each in asked.replicas([file.name for file in files]).values()} == {
        ReplicaState.AVAILABLE
    }


def test_a_wrong_password_is_the_fault_of_who_has_configured_it(rucio, name):
    home = rucio.make_home("server-wrong", auth_type="userpass", username=ACCOUNT, password=f"{PASSWORD}!")
    with pytest.raises(StorageMisconfigured, match="CannotAuthenticate"):
        Rucio(str(home), patience=20).describe([name()])


def test_no_configuration_at_all_is_told(tmp_path, name):
    with pytest.raises(StorageMisconfigured, match="rucio.cfg|configuration"):
        Rucio(str(tmp_path), patience=20).describe([name()])


def test_a_rucio_that_hangs_is_not_available_in_time(rucio, name):
    with rucio.frozen(), pytest.raises(StorageUnavailable):
        Rucio(str(rucio.home), patience=1).describe([name()])


def test_a_rucio_that_is_not_there_is_not_available(rucio, name):
    with pytest.raises(StorageUnavailable):
        Rucio(str(rucio.home), host="https://localhost:1", patience=20).describe([name()])
