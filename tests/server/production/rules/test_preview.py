"""What a rule would have done is told before anybody enables it."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from server.production.causes import Cause
from server.production.dryrun.learnt import learn
from server.production.frames import names_of
from server.production.models import Chunk
from server.production.queries.failures import samples
from server.production.rules.actions import Action
from server.production.rules.match import Failure, Rule
from server.production.rules.models import ProductionRule
from server.production.rules.preview import Past, compare, past_failures
from server.production.steps import collect, submit
from tests.server.production.conftest import failed

PASTS = [Past(Failure(payload_error=code, attempts=1), f"chunk {code}", code) for code in (1246, 1246, 1243, 7)]
LOOK = Rule("look", Action.MANUAL_CHECK, payload_error=1243)
KILLED = Rule("killed", Action.GIVE_UP, payload_error=1246)


def test_fits_and_changes_are_counted_for_each_rule_with_examples_of_changes_first():
    found = compare(PASTS, [LOOK], [KILLED, LOOK], ["killed"])
    (line,) = found.lines
    assert (found.looked_at, line.fits, line.changes) == (4, 2, 2)
    assert [(one.before.action, one.after.action) for one in line.examples] == [(Action.RETRY, Action.GIVE_UP)] * 2


def test_a_rule_that_does_what_is_done_already_changes_nothing():
    same = Rule("same", Action.RETRY, payload_error=1246)
    (line,) = compare(PASTS, [], [same], ["same"]).lines
    assert (line.fits, line.changes) == (2, 0)


def test_a_rule_that_another_one_hides_fits_nothing():
    (line,) = compare(PASTS, [LOOK], [LOOK, Rule("late", Action.GIVE_UP, payload_error=1243)], ["late"]).lines
    assert (line.fits, line.examples) == (0, [])


@pytest.fixture
def failures(tasks, pilot):
    codes = iter((1246, 1246, 1243, 1246, 99, 1243))
    pilot.spoil = lambda job: failed(payload_error=next(codes), payload_error_words="No calibration there")
    submit.submit_chunks()
    pilot.run()
    collect.collect()
    return tasks


def act(client, action, *rows):
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse("admin:production_productionrule_changelist"), data, follow=True)


def test_past_failures_are_those_of_the_jobs_attempts(failures, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        found = past_failures()
    assert [past.failure.payload_error for past in found] == [1243, 99, 1246, 1243, 1246, 1246]
    assert {(past.failure.queue, past.failure.attempts, past.failure.merge) for past in found} == {("LOCAL", 1, "")}
    assert {past.job for past in found} == set(Chunk.objects.exclude(job_id=None).values_list("job_id", flat=True))
    assert len(past_failures(2)) == 2


def test_lists_of_raw_files_stay_where_they_are_when_failures_and_past_jobs_are_looked_at(failures):
    Chunk.objects.filter(pk=Chunk.objects.filter(job_id__isnull=False).first().pk).update(state="finished")
    with CaptureQueriesContext(connection) as asked:
        assert len(past_failures()) == 6
        assert samples(Cause("payload", 1243))
        assert learn(names_of(failures[0])).tasks == ("mc2016_gen",)
    assert not [one["sql"] for one in asked.captured_queries if "filelist" in one["sql"]]


def test_the_page_shows_what_rules_would_have_done_enabled_or_not(failures, admin_client):
    rule = ProductionRule.objects.create(name="killed", payload_error=1246, action="give_up", place=1, enabled=False)
    page = act(admin_client, "show_what_they_would_have_done", rule).content.decode()
    assert "matched 3 of the last 6 failures" in " ".join(page.split())
    assert "rule &#x27;killed&#x27;: 1246 the program was killed; no further attempt" in page
    words = ProductionRule.objects.create(name="words", words="NO * there", action="give_up", place=2)
    assert "matched 6 of the last 6" in " ".join(
        act(admin_client, "show_what_they_would_have_done", words).content.decode().split()
    )


def test_a_rule_that_is_written_or_changed_is_held_against_past_failures_before_it_is_saved(failures, admin_client):
    form = {"name": "killed", "place": 1, "about": "chunks", "action": "give_up", "factor": "2", "most_attempts": "0"}
    form |= {"payload_error": "1246", "_look": "yes"}
    page = admin_client.post(reverse("admin:production_productionrule_add"), form).content.decode()
    assert "matched 3 of the last 6 failures, and changed what became of 3" in " ".join(page.split())
    assert not ProductionRule.objects.filter(name="killed").exists()
    # One that is changed: what it leaves to others is told, too.
    rule = ProductionRule.objects.get(payload_error=1243, action="manual_check")
    form |= {"name": "calibration, again", "place": rule.place, "payload_error": "99", "enabled": "on"}
    address = reverse("admin:production_productionrule_change", args=[rule.pk])
    assert 'name="_look"' in admin_client.get(address).content.decode()
    page = " ".join(admin_client.post(address, form).content.decode().split())
    assert "matched 1 of the last 6 failures, and changed what became of 3" in page
    assert "a person looks (rule &#x27;calibration, again&#x27;)" in page.replace("'", "&#x27;")
    rule.refresh_from_db()
    assert (rule.payload_error, LogEntry.objects.count()) == (1243, 0)
    assert "0 is no error" in admin_client.post(address, {**form, "payload_error": "0"}).content.decode()


def test_without_failures_the_page_says_so(queue, admin_client):
    page = act(admin_client, "show_what_they_would_have_done", ProductionRule.objects.first()).content.decode()
    assert "No job of a production has failed yet" in page


def test_rules_are_switched_in_bulk_and_the_history_says_who_did_it(queue, admin_client):
    first, second = ProductionRule.objects.all()[:2]
    assert f"Disabled: {first.name} and {second.name}." in act(admin_client, "disable", first, second).content.decode()
    assert not ProductionRule.objects.filter(pk__in=(first.pk, second.pk), enabled=True).exists()
    assert set(LogEntry.objects.values_list("object_repr", "user__username")) == {
        (first.name, "admin"),
        (second.name, "admin"),
    }
    page = act(admin_client, "enable", first).content.decode()
    assert f"Enabled: {first.name}." in page
    assert "nothing, it was so already" in act(admin_client, "enable", first).content.decode()


def test_a_rule_is_written_in_the_admin_and_what_cannot_be_is_refused_with_a_remedy(queue, admin_client):
    form = {"name": "one", "place": 5, "enabled": "on", "about": "chunks", "action": "retry"}
    form |= {"factor": "2", "most_attempts": "0", "words": "line .* of"}
    page = admin_client.post(reverse("admin:production_productionrule_add"), form).content.decode()
    assert "write * for any text" in page
    form["words"] = "line * of"
    admin_client.post(reverse("admin:production_productionrule_add"), form)
    assert ProductionRule.objects.get(name="one").words == "line * of"


def test_who_may_not_change_tables_may_not_write_rules(queue, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("looker", is_staff=True))
    assert client.get(reverse("admin:production_productionrule_add")).status_code == 403
    assert client.get(reverse("admin:production_productionrule_changelist")).status_code == 403
