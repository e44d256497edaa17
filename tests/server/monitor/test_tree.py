"""Families of tasks: which takes its files from which, level by level, from what was counted before."""

from __future__ import annotations

import pytest

from server.production.models import Task
from server.production.queries import tree
from server.production.states import TaskState
from server.production.totals.count import count_totals
from tests.server.monitor.test_views import parsed
from tests.server.production.conftest import define_data, work

PAGE = "/production/tree"


def child(parent, name, **more):
    said = {field.attname: getattr(parent, field.attname) for field in Task._meta.concrete_fields if field.name != "id"}
    return Task.objects.create(**{**said, "name": name, "parent_task_id": parent.pk, **more})


def chain(parent, length):
    for number in range(length):
        parent = child(parent, f"level{number + 1}")
    return parent


def names(members):
    return [(depth, member.task.name) for depth, member in tree.lines(members)]


def test_a_generation_stands_above_its_reconstruction_with_what_was_counted(tasks, pilot):
    (family,) = tree.tree_of_all().families
    assert family.totals is None
    assert family.children[0].waits == "each chunk for that of mc2016_gen"
    work(pilot)
    count_totals()
    (family,) = tree.tree_of_all().families
    told = family.as_json()
    assert (told["name"], told["feeds"], told["waits"]) == ("mc2016_gen", None, None)
    (below,) = told["children"]
    assert (below["name"], below["feeds"], below["waits"]) == ("mc2016_reco", "by_chunk", None)
    assert (below["totals"]["finished"], below["totals"]["chunks"]) == (6, 6)
    assert (family.progress.state, family.progress.done) == ("done", 6)


@pytest.mark.parametrize(
    ("state", "by_chunk", "words"),
    [
        (TaskState.DRAFT, True, "mc2016_gen has not begun"),
        (TaskState.CANCELLED, True, "mc2016_gen was cancelled"),
        (TaskState.RUNNING, False, "all chunks of mc2016_gen"),
        (TaskState.DONE, False, ""),
        (TaskState.ARCHIVED, True, ""),
    ],
)
def test_it_is_told_what_a_task_waits_for(tasks, state, by_chunk, words):
    Task.objects.filter(pk=tasks[0].pk).update(state=state)
    Task.objects.filter(pk=tasks[1].pk).update(by_chunk=by_chunk)
    assert tree.tree_of(tasks[1]).families[0].children[0].waits == words


def test_what_is_over_waits_for_nothing(tasks):
    Task.objects.filter(pk=tasks[1].pk).update(state=TaskState.CANCELLED)
    assert tree.tree_of(tasks[1]).families[0].children[0].waits == ""


def test_the_family_of_a_task_is_shown_from_its_first_one_on(queue):
    first = define_data(runs=1, chunks=1)
    last = chain(first, 3)
    child(first, "aside")
    found = tree.tree_of(last)
    assert names(found.families) == [(0, "data"), (1, "level1"), (2, "level2"), (3, "level3"), (1, "aside")]
    assert (found.total, found.wanted) == (1, "level3")


def test_only_families_are_shown_unless_all_are_asked_for(queue):
    first = define_data(runs=1, chunks=1)
    define_data(name="alone", runs=1, chunks=1, slot=2)
    for name in ("b", "c"):
        child(first, name)
    assert names(tree.tree_of_all().families) == [(0, "data"), (1, "b"), (1, "c")]
    assert [family.task.name for family in tree.tree_of_all(alone=True).families] == ["alone", "data"]


def test_what_is_too_deep_or_too_much_is_not_shown_and_told(queue, monkeypatch):
    first = define_data(runs=1, chunks=1)
    last = chain(first, tree.DEPTH + 2)
    found = list(tree.lines(tree.tree_of_all().families))
    assert (len(found), found[-1][0], found[-1][1].more) == (tree.DEPTH + 1, tree.DEPTH, True)
    assert [member.more for _, member in found[:-1]] == [False] * tree.DEPTH
    # From below, as much of it as is shown above.
    assert tree.tree_of(last).families[0].task.name == "level2"
    monkeypatch.setattr(tree, "MOST", 1)
    child(first, "beside")
    (family,) = tree.tree_of_all().families
    assert (family.more, [below.task.name for below in family.children]) == (True, ["level1"])


def test_pages_follow_each_other(queue):
    for number in range(3):
        define_data(name=f"data{number}", runs=1, chunks=1, slot=number)
    pages = [tree.tree_of_all(alone=True, number=number, most=2) for number in (1, 2, 9)]
    shown = [[family.task.name for family in page.families] for page in pages]
    assert shown == [["data2", "data1"], ["data0"], ["data0"]]
    assert (pages[0].pages, pages[0].total, pages[2].number) == (2, 3, 2)


@pytest.mark.parametrize("more", [0, 5])
def test_the_number_of_questions_does_not_grow_with_the_tasks(admin_client, queue, django_assert_num_queries, more):
    first = define_data(runs=1, chunks=1)
    child(first, "reco")
    for number in range(more):
        child(define_data(name=f"more{number}", runs=1, chunks=1, slot=number), f"reco{number}")
    # Session, user, count, families, children, nobody below them.
    with django_assert_num_queries(6):
        admin_client.get(PAGE)


def test_the_page_has_its_twin_and_links(admin_client, tasks):
    answer = admin_client.get(PAGE)
    parsed(answer)
    assert "not counted yet" in answer.content.decode()
    assert admin_client.get(f"{PAGE}?json").json()["data"]["families"][0]["name"] == "mc2016_gen"
    assert 'aria-current="true"' in admin_client.get(f"{PAGE}?task=mc2016_reco").content.decode()
    assert f"{PAGE}?task=mc2016_reco" in admin_client.get("/tasks/mc2016_reco").content.decode()


def test_an_empty_page_says_what_to_do(admin_client, db):
    assert "Show all tasks" in admin_client.get(PAGE).content.decode()
    assert "with a parent" in admin_client.get(f"{PAGE}?alone=1").content.decode()


@pytest.mark.parametrize(("asked", "status"), [("task=none", 404), ("alone=2", 400), ("page=x", 400), ("x=1", 400)])
def test_what_cannot_be_shown_is_told(admin_client, db, asked, status):
    assert admin_client.get(f"{PAGE}?{asked}").status_code == status
    answer = admin_client.get(f"{PAGE}?{asked}&json")
    assert answer.status_code == status
    assert answer.json()["message"]


def test_who_is_not_known_is_led_to_the_login(client, db):
    assert client.get(PAGE).status_code == 302
