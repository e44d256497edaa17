"""Event ranges done in a real Apptainer: by a program that is started for each, with the pilot's socket in reach."""

from __future__ import annotations

import tarfile

from tests.pilot.eventservice.test_whole import names
from tests.pilot.test_containers import site as site  # noqa: PLC0414  # a fixture
from tests.pilot.test_end_to_end import job

SCRIPT = 'test -S "$COMPASS_EVENTS_SOCKET" && test -f "$COMPASS_EVENTS_CLIENT" && cat /etc/image-name > "$1"'


def test_a_program_is_started_for_each_range_in_the_jobs_image(site):
    ranges = site.has(2)
    argv = ("/bin/sh", "-c", SCRIPT, "sh", "{output}")
    site.dispatcher.jobs = [job(*argv, events=True, jobset_id=5, container="image")]
    status, said = site.run()
    assert status == 0, said
    assert ranges.finished == names(0, 1)
    (stored,) = site.storage.parent.rglob(ranges.archives()[0]["lfn"])
    with tarfile.open(stored) as tar:
        assert {tar.extractfile(name).read() for name in tar.getnames()} == {b"busybox\n"}


def test_what_a_kill_leaves_of_a_container_of_ranges_is_nothing(site):
    ranges = site.has(9)
    argv = ("/bin/sh", "-c", 'echo x > "$1"; sleep 1000', "sh", "{output}")
    site.dispatcher.jobs = [job(*argv, events=True, jobset_id=5, container="image")]
    pilot = site.start(monitor__heartbeat=0.1)
    site.dispatcher.wait_for(lambda: bool(ranges.given))
    site.dispatcher.commands[7] = "tobekilled"
    pilot.communicate(timeout=40)
    assert site.final()["job_status"] == "failed"
    assert ranges.ends == {}
