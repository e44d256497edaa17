from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import pytest

from pilot import settings
from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError
from pilot.settings import SECTIONS, Settings, load, loading


def test_a_later_layer_wins_and_is_named_as_the_origin():
    loaded = load([("site.yaml", {"monitor": {"heartbeat": 900}}), ("node.yaml", {"monitor": {"heartbeat": 600}})])
    assert loaded.settings.monitor.heartbeat == 600
    assert "monitor.heartbeat = 600.0  # node.yaml" in loaded.lines()
    assert "monitor.checks = 60.0  # default" in loaded.lines()


def test_every_setting_is_printed():
    assert len(load([]).lines()) == sum(len(fields(kind)) for kind in SECTIONS.values())


def test_what_is_only_printed_is_not_taken_for_mentioned():
    loaded = load([("site.yaml", {"monitor": {"heartbeat": 900}})])
    assert "realtime.use = False  # default" in loaded.lines()
    assert loaded.settings.mentions("monitor")
    assert not loaded.settings.mentions("realtime")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"monitor": {"heartbeet": 9}}, "site.yaml: monitor.heartbeet is not a setting; did you mean heartbeat?"),
        ({"harvester": {"beet": 9}}, "site.yaml: harvester.beet is not a setting; did you mean beat?"),
        ({"monitr": {}}, "site.yaml: monitr is not a setting; did you mean monitor?"),
        ({"zzz": {}}, "there are server, queue"),
        ({3: {}}, "3 is not a setting"),
        ({"monitor": {"heartbeat": "900"}}, "monitor.heartbeat is '900'; a number is expected"),
        ({"monitor": {"heartbeat": True}}, "a number is expected"),
        ({"monitor": {"heartbeat": 10**400}}, "a number is expected"),
        ({"monitor": {"heartbeat": float("nan")}}, "a number is expected"),
        ({"monitor": {"heartbeat": 0}}, "the least allowed is 0.1 s"),
        ({"server": {"port": 70000}}, "the most allowed is 65535"),
        ({"server": {"port": 80.5}}, "a whole number is expected"),
        ({"server": {"dialect": "v2"}}, "one of auto, v1, legacy is expected"),
        ({"server": {"url": 3}}, "text is expected"),
        ({"job": {"keep_workdir": "yes"}}, "true or false is expected"),
        ({"plugins": {"also": ["a", 3]}}, "a list of texts is expected"),
        ({"monitor": 3}, "keys and values are expected below it"),
    ],
)
def test_a_slip_is_named_with_the_right_one_that_is_nearest(layer, message):
    with pytest.raises(ConfigError) as caught:
        load([("site.yaml", layer)])
    assert message in str(caught.value)
    assert caught.value.code is ErrorCode.BAD_CONFIGURATION


def test_whole_numbers_may_stand_for_seconds():
    value = load([("x", {"monitor": {"heartbeat": 7}})]).settings.monitor.heartbeat
    assert (type(value), value) == (float, 7.0)


def test_a_list_is_kept_as_a_tuple():
    assert load([("x", {"plugins": {"also": ["a", "b"]}})]).settings.plugins.also == ("a", "b")


@pytest.mark.parametrize(
    ("section", "spec"), [(name, spec) for name, kind in SECTIONS.items() for spec in fields(kind)]
)
def test_every_setting_says_what_it_does_and_allows_its_own_default(section, spec):
    assert spec.metadata["help"].endswith(".")
    assert load(
        [("x", {section: {spec.name: list(spec.default) if isinstance(spec.default, tuple) else spec.default}})]
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_is_a_layer(tmp_path):
    path = write(tmp_path / "a.yaml", "monitor:\n  heartbeat: 5\nlog:\n")
    assert settings.read_file(path) == [(str(path), {"monitor": {"heartbeat": 5}, "log": {}})]


def test_an_empty_file_says_nothing(tmp_path):
    assert settings.read_file(write(tmp_path / "a.yaml", "# nothing\n")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("monitor:\n  heartbeat: [1\n", "a.yaml, line 3: not YAML"),
        ("a: b: c", "a.yaml, line 1: not YAML"),
        ("- 1\n", "sections such as 'monitor:' are expected, not list"),
        ("a: !!python/object:os.system {}", "not YAML"),
        ("server: {url: 2020-13-45}", "not YAML: month must be in 1..12"),
        (f"a: {'[' * 3000}", "not YAML: maximum recursion depth exceeded"),
        ("job: {at_once: 2}\nlog: {}\njob: {cores: 4}\n", "a.yaml, line 3: job is there twice; leave one"),
        ("job:\n  cores: 4\n  cores: 4\n", "a.yaml, line 3: cores is there twice; leave one"),
    ],
)
def test_a_file_that_cannot_be_meant_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match="a.yaml") as caught:
        settings.read_file(write(tmp_path / "a.yaml", text))
    assert message in caught.value.detail


def test_a_file_may_say_a_thing_once_and_refer_to_it(tmp_path):
    text = "job: &some {cores: 4}\nlog: {<<: *some, debug: true}\n? [a]\n: {}\n"
    with pytest.raises(ConfigError, match="unhashable key"):
        settings.read_file(write(tmp_path / "a.yaml", text))
    ((_, layer),) = settings.read_file(write(tmp_path / "a.yaml", text.partition("?")[0]))
    assert layer == {"job": {"cores": 4}, "log": {"cores": 4, "debug": True}}


def test_what_is_expected_is_told_with_its_unit():
    with pytest.raises(ConfigError, match=r"monitor\.heartbeat is '30m'; a number is expected \(unit: s\)"):
        load([("node.yaml", {"monitor": {"heartbeat": "30m"}})])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        settings.read_file(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        settings.read_file(tmp_path)
    assert settings.read_file(tmp_path / "missing.yaml", needed=False) == []


def test_layers_come_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "SYSTEM_FILE", write(tmp_path / "system.yaml", "queue: {name: system}"))
    write(tmp_path / loading.LOCAL_FILE, "queue: {name: local}")
    named = write(tmp_path / "named.yaml", "queue: {name: named}")
    option = write(tmp_path / "option.yaml", "queue: {name: option}")
    found = settings.layers(
        str(option),
        [("command line", {"queue": {"name": "line"}})],
        environment={loading.FILE_VARIABLE: str(named), "COMPASS_PILOT__QUEUE__NAME": "variable", "PATH": "x"},
    )
    assert [layer["queue"]["name"] for _, layer in found] == ["system", "local", "named", "variable", "option", "line"]


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("COMPASS_PILOT__MONITOR__HEARTBEAT", "900", "monitor", "heartbeat", 900.0),
        ("COMPASS_PILOT__SERVER__URL", "http://a:1", "server", "url", "http://a:1"),
        ("COMPASS_PILOT__QUEUE__NAME", "123", "queue", "name", "123"),
        ("COMPASS_PILOT__JOB__KEEP_WORKDIR", "true", "job", "keep_workdir", True),
        ("COMPASS_PILOT__PLUGINS__ALSO", "[a, b]", "plugins", "also", ("a", "b")),
    ],
)
def test_a_variable_is_read_as_its_setting_is_meant(variable, text, section, key, value):
    loaded = load(settings.from_environment({variable: text}))
    assert getattr(getattr(loaded.settings, section), key) == value


@pytest.mark.parametrize(
    "variable", ["COMPASS_PILOT__MONITR__X", "COMPASS_PILOT__MONITOR__X", "COMPASS_PILOT__MONITOR"]
)
def test_a_slip_in_a_variable_names_the_variable(variable):
    with pytest.raises(ConfigError) as caught:
        load(settings.from_environment({variable: "1"}))
    assert f"${variable}: " in caught.value.detail


def test_the_defaults_stand_without_any_layer():
    assert asdict(load([]).settings) == asdict(Settings())


@pytest.mark.parametrize("password", ["secret", "s@cret", "@@"])
def test_a_password_in_an_address_is_not_shown(password):
    loaded = load([("node.yaml", {"server": {"web_proxy": f"http://user:{password}@proxy:3128"}})])
    assert "server.web_proxy = 'http://***@proxy:3128'  # node.yaml" in loaded.lines()
    assert loaded.settings.server.web_proxy == f"http://user:{password}@proxy:3128"


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_no_wait_is_longer_than_the_platform_can_wait(seconds):
    with pytest.raises(ConfigError, match=r"job\.lifetime is .*; the most allowed is 1000000000\.0 s"):
        load([("node.yaml", {"job": {"lifetime": seconds}})])


def test_the_pilots_environment_is_a_copy(monkeypatch):
    monkeypatch.setenv("X_OF_A_TEST", "1")
    assert settings.environment()["X_OF_A_TEST"] == "1"
