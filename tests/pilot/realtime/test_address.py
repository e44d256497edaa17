from __future__ import annotations

import pytest

from pilot.errors import ConfigError
from pilot.realtime.address import GOOGLE, Address, of_queue, read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("logstash;tls://logs.example.org:5000", Address("logstash", "tls", "logs.example.org", 5000)),
        ("logstash;http://logs:8443", Address("logstash", "http", "logs", 8443)),
        ("logstash:logs:5044", Address("logstash", "tls", "logs", 5044)),
        ("fluent;tcp://127.0.0.1", Address("fluent", "tcp", "127.0.0.1", 24224)),
        ("loki;https://loki:3100", Address("loki", "https", "loki", 3100, "/loki/api/v1/push")),
        ("loki;https://loki/other/push", Address("loki", "https", "loki", 443, "/other/push")),
        ("google-cloud-logging", Address("google-cloud-logging", "https", GOOGLE, 443)),
        ("syslog;udp://[::1]:514", Address("syslog", "udp", "::1", 514)),
        ("syslog;ssl://logs", Address("syslog", "tls", "logs", 6514)),
        ("file;file:///var/log/payloads.jsonl", Address("file", "file", path="/var/log/payloads.jsonl")),
    ],
)
def test_a_log_service_has_an_address(text, address):
    assert read_address(text, "realtime.server") == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("splunk;tls://logs", "'splunk;tls://logs' is no log service that is known here; there are logstash, fluent"),
        ("logstash;ftp://logs", "logstash speaks tls, tcp, udp, https, http, not ftp"),
        ("logstash;tls://", "no address of a log service; type;protocol://host:port is expected"),
        ("logstash;tls://logs:0", "no address"),
        ("logstash;tls://logs:70000", "no address"),
        ("logstash;tls://user:sesame@logs", "no address"),
        ("logstash;tls://logs/?a=b c", "no address"),
        ("file;file://relative", "the whole path is expected"),
        ("", "no log service"),
    ],
)
def test_what_is_no_address_is_named_with_where_it_stands(text, words):
    with pytest.raises(ConfigError) as caught:
        read_address(text, "queue CERN: catchall: logging")
    assert str(caught.value).partition(": ")[2].startswith("queue CERN: catchall: logging: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "logstash;tls://user:sesame@logs",
        "logstash:user:ses/same@logs:5000",
        "user:sesame@logs",
        "loki;http://a:same@b@c",
    ],
)
def test_a_password_in_an_address_is_not_shown(text):
    with pytest.raises(ConfigError) as caught:
        read_address(text, "realtime.server")
    assert "same" not in str(caught.value)
    assert "...@" in str(caught.value)


@pytest.mark.parametrize(
    ("catchall", "found"),
    [
        ("", (None, ())),
        ("nopenfiles=4096,mv_final_destination", (None, ())),
        (
            "logging=logstash;http://logs:80, loggingfile=run.log|err.log",
            ("logstash;http://logs:80", ("run.log", "err.log")),
        ),
        ("loggingfile=run.log", (None, ("run.log",))),
    ],
)
def test_a_queue_says_in_its_catchall_where_lines_go_and_which(catchall, found):
    assert of_queue(catchall) == found


def test_an_address_is_written_as_it_is_read():
    for text in ("loki;https://[::1]:3100/push", "file;file:///a"):
        assert str(read_address(text, "x")) == text
