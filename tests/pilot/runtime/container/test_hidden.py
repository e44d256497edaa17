from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from pilot.runtime.container.hidden import FILES, hidden_from_jobs
from pilot.settings import SECTIONS, Server, Settings
from pilot.settings.broker import Broker
from pilot.settings.realtime import Realtime


def test_the_pilots_folder_and_whatever_proves_who_it_is_are_hidden_from_jobs():
    settings = Settings(server=Server(token_file="/secret/token"))
    environment = {"X509_USER_PROXY": "/tmp/proxy", "HOME": "/home/pilot"}
    assert hidden_from_jobs(settings, Path("/scratch/pilot"), environment) == [
        "/scratch/pilot",
        "/secret/token",
        "/tmp/proxy",
    ]


def test_passwords_of_log_service_and_broker_are_among_it():
    settings = Settings(
        realtime=Realtime(credentials_file="/a"), broker=Broker(credentials_file="/b", certificate="/c")
    )
    assert hidden_from_jobs(settings, Path("/own"), {}) == ["/own", "/b", "/c", "/a"]


def test_sections_that_nobody_has_given_are_not_loaded_for_it():
    settings = Settings()
    assert hidden_from_jobs(settings, Path("/scratch/pilot"), {}) == ["/scratch/pilot"]
    assert not settings.mentions("broker")


def test_every_setting_that_names_a_file_with_a_secret_is_known():
    secret = re.compile(r".*(?:token|token_key|credentials|identity)_file|certificate")
    named = {
        (section, spec.name)
        for section in SECTIONS
        for spec in dataclasses.fields(SECTIONS[section])
        if secret.fullmatch(spec.name)
    }
    assert named == {(section, key) for section, keys in FILES.items() for key in keys}
