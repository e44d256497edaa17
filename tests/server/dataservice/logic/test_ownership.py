"""A dataset is the productions' or one user's, and no others write into it."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
from django.apps import apps

from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.logic import datasets
from server.dataservice.logic.datasets import _give, make_datasets
from server.dataservice.models import Dataset, DatasetEvent, DatasetFile
from server.dataservice.states import DatasetKind
from server.dataservice.steps import follow
from tests.server import jobs
from tests.server.dataservice.conftest import START, audit, filled, nothing

NOBODYS = [("", "prod.out", DatasetKind.INPUT)]


def owners() -> dict[str, str | None]:
    return dict(Dataset.objects.values_list("name", "owner"))


def claim(user="alice", label="user", **fields):
    logic.claim_datasets([jobs.order(user=user, label=label, **fields)], by="notebook", now=START)


def refused(user="bob", label="user", **fields) -> str:
    with pytest.raises(ContractError) as caught:
        claim(user, label, **fields)
    return str(caught.value)


def files_of(dataset):
    return dict(DatasetFile.objects.filter(dataset__name=dataset).values_list("lfn", "job"))


def test_a_dataset_is_whose_jobs_are_submitted_first(db):
    claim()
    assert owners() == {"prod.out": "alice", "prod.log": "alice"}
    assert set(DatasetEvent.objects.values_list("after", "by")) == {("open", "notebook")}
    claim()
    assert Dataset.objects.count() == 2
    assert refused() == ("jobs[0].dataset: 'prod.out' is alice's, and no other jobs write into it; name another one")
    assert "is alice's" in refused("alice", "managed", log=None)  # productions write into their own alone
    claim("bob", outputs=(), log=None)  # who writes nothing is in nobody's way


def test_a_refused_call_makes_no_dataset(db):
    claim(outputs=(), log="a.tgz")
    assert "'prod.log' is alice's" in refused()
    assert owners() == {"prod.log": "alice"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"dataset": "d" * 256}, "its name, .* has 256 characters; at most 255"),
        ({"scope": "s" * 31}, "its scope, .*30"),
    ],
)
def test_a_dataset_whose_name_no_column_holds_is_refused(db, written, words):
    plain = jobs.order(user="alice", label="user", log=None)
    file = FileSpec("a", Role.OUTPUT, **{"dataset": "d", **written})
    with pytest.raises(ContractError, match=rf"jobs\[0\].dataset: {words}"):
        logic.claim_datasets([plain._replace(spec=replace(plain.spec, outputs=(file,)))], by="notebook")
    assert not owners()


def test_users_do_not_write_into_what_the_productions_have_registered(db):
    logic.register_dataset("prod.out", kind=DatasetKind.OUTPUT, by="manager")
    assert "'prod.out' is the productions'" in refused(log=None)
    claim("prodsys", "managed", log=None)
    assert owners() == {"prod.out": ""}


def test_no_user_takes_a_dataset_between_a_productions_submission_and_its_first_job(db, django_assert_num_queries):
    claim("prodsys", "managed")
    assert owners() == {"prod.out": "", "prod.log": ""}
    assert "'prod.out' is the productions'" in refused()
    with django_assert_num_queries(1):
        claim("prodsys", "managed")


def test_a_dataset_that_jobs_only_wait_for_is_whose_jobs_write_into_it_first(db):
    make_datasets(NOBODYS, by="test", now=START)
    assert str(Dataset.objects.get().whose) == "nobody's yet"
    claim(log=None)
    assert owners() == {"prod.out": "alice"}
    assert Dataset.objects.get().whose == "alice's"
    assert "is alice's" in refused(log=None)


def test_who_was_faster_has_a_dataset_that_was_nobodys(db):
    make_datasets(NOBODYS, by="test", now=START)
    (seen,) = Dataset.objects.all()
    Dataset.objects.update(owner="bob")
    _give([seen], "alice")
    assert seen.owner == "bob"


def claim_many(count: int, django_assert_max_num_queries, most: int) -> None:
    """Claim so many datasets, two by each order, with so few statements."""
    outs = [FileSpec(f"{n}.root", Role.OUTPUT, dataset=f"many.{n:04d}") for n in range(count)]
    plain = jobs.order(user="alice", label="user", log=None)
    orders = [plain._replace(spec=replace(plain.spec, outputs=tuple(outs[at : at + 2]))) for at in range(0, count, 2)]
    with django_assert_max_num_queries(most):
        logic.claim_datasets(orders, by="notebook", now=START)


@pytest.mark.one_python
@pytest.mark.parametrize("nobodys", [0, 300])
def test_many_datasets_are_claimed_by_few_statements_and_each_is_told_of_once(
    db, django_assert_max_num_queries, nobodys
):
    make_datasets([("", f"many.{n:04d}", DatasetKind.OUTPUT) for n in range(nobodys)], by="test", now=START)
    claim_many(400, django_assert_max_num_queries, most=20)
    assert set(owners().values()) == {"alice"}
    told = DatasetEvent.objects.values_list("dataset__name", flat=True)
    assert sorted(told) == [f"many.{n:04d}" for n in range(400)]
    claim_many(400, django_assert_max_num_queries, most=1)


def test_who_made_a_dataset_meanwhile_has_told_of_it(db, monkeypatch):
    real = datasets._named
    looks = []

    def look(keys):
        found = real(keys)
        if not looks:  # another one makes it between our look and our row
            Dataset.objects.create(name="prod.out", kind="input", owner="bob", created=START, changed=START)
            DatasetEvent.objects.create(dataset=Dataset.objects.get(), after="open", at=START, by="bob's")
        looks.append(found)
        return found

    monkeypatch.setattr(datasets, "_named", look)
    (made,) = make_datasets(NOBODYS, by="test", now=START, owners={("", "prod.out"): "alice"}).values()
    assert (made.pk, made.owner) == (Dataset.objects.get().pk, "bob")
    assert list(DatasetEvent.objects.values_list("by", flat=True)) == ["bob's"]


def test_a_dataset_of_a_user_is_not_registered_as_the_productions(db):
    claim()
    with pytest.raises(logic.DatasetRefused, match="dataset prod.out is alice's; give a name that is free"):
        logic.register_dataset("prod.out", kind=DatasetKind.INPUT, by="manager")


def test_jobs_of_two_users_in_one_call_do_not_write_into_the_same(db):
    both = [jobs.order(user=user, label="user", log=None) for user in ("alice", "bob")]
    with pytest.raises(ContractError, match=r"jobs\[1\].dataset: 'prod.out' is what jobs\[0\].dataset is, of somebody"):
        logic.claim_datasets(both, by="manager")
    assert not owners()
    other = FileSpec("out.root", Role.OUTPUT, scope="bob", dataset="prod.out")
    both[1] = both[1]._replace(spec=replace(both[1].spec, outputs=(other,)))
    logic.claim_datasets(both, by="manager")
    assert set(Dataset.objects.values_list("scope", "owner")) == {("", "alice"), ("bob", "bob")}


def test_what_was_submitted_before_a_dataset_was_somebodys_is_not_registered_in_it(world, queue):
    (mine,) = jobs.submit(user="alice", label="user")
    (others,) = jobs.submit(user="bob", label="user")
    (managed,) = jobs.submit(user="bob")
    jobs.claim(count=3)
    for job in (mine, others, managed):
        jobs.finish(job)
    world.follow()
    assert owners() == {"prod.out": "alice", "prod.log": "alice"}
    assert (files_of("prod.out"), files_of("prod.log")) == ({"out.root": mine}, {"job.log.tgz": mine})
    said = list(DatasetEvent.objects.filter(dataset__name="prod.out").exclude(words="").values_list("words", flat=True))
    assert sorted(said) == [
        f"not registered: out.root of job {others}, which is bob's; the dataset is alice's",
        f"not registered: out.root of job {managed}, which is the productions'; the dataset is alice's",
    ]
    world.later(minutes=30)
    before = DatasetEvent.objects.count()
    follow.sweep(now=world.now, keep=nothing)
    assert DatasetEvent.objects.count() == before
    audit()


def test_of_datasets_that_there_were_before_the_owner_is_whose_jobs_wrote_first(world, queue):
    jobs.submit(user="alice", label="user", log=None)
    jobs.submit(user="prodsys", outputs=())
    world.follow()
    filled(world)
    make_datasets([("", "wanted", DatasetKind.INPUT)], by="test", now=START)
    right = owners()
    Dataset.objects.update(owner=None)
    import_module("server.dataservice.migrations.0004_owners").find_owners(apps, None)
    assert owners() == right == {"prod.out": "alice", "prod.log": "", "raw": "", "wanted": None}
