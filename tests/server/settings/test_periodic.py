from __future__ import annotations

import ssl

import pytest
from django.core.exceptions import ImproperlyConfigured

from server.settings.periodic import Broker, broker_settings, celery_settings


@pytest.fixture
def files(tmp_path):
    for name in ("ca.pem", "own.pem", "word"):
        (tmp_path / name).write_text("a word/of@it\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_without_a_broker_messages_are_files_in_the_home(tmp_path):
    found = celery_settings(Broker(), tmp_path)
    assert found["CELERY_BROKER_URL"] == "filesystem://localhost"
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"]["data_folder_in"] == str(tmp_path / "messages")


def test_rabbitmq_by_tls_is_known_by_its_name_and_a_certificate_is_the_login(files):
    own = str(files / "own.pem")
    found = broker_settings(Broker("amqps://mq.example.org//", ca_file=str(files / "ca.pem"), certificate=own))
    assert found["CELERY_BROKER_LOGIN_METHOD"] == "EXTERNAL"
    assert found["CELERY_BROKER_USE_SSL"] == {
        "ca_certs": str(files / "ca.pem"),
        "certfile": own,
        "keyfile": own,
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "mq.example.org",
    }
    named = broker_settings(Broker("amqps://us:word@mq.example.org//", certificate=own))
    assert "CELERY_BROKER_LOGIN_METHOD" not in named


def test_redis_by_tls_is_known_by_its_name(files):
    found = broker_settings(Broker("rediss://store.example.org/0", ca_file=str(files / "ca.pem")))
    assert found["CELERY_BROKER_USE_SSL"] == {
        "ssl_ca_certs": str(files / "ca.pem"),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
    }


def test_a_password_comes_from_a_file_of_its_own_whatever_is_in_it(files):
    found = broker_settings(Broker("amqp://us@mq:5672//", password_file=str(files / "word")))
    assert found["CELERY_BROKER_URL"] == "amqp://us:a%20word%2Fof%40it@mq:5672//"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"address": "kafka://mq"}, "write amqp://"),
        ({"address": "mq.example.org"}, "write amqp://"),
        ({"address": "amqps://"}, "write amqp://"),
        ({"address": "amqp://mq", "ca_file": "/ca"}, "write amqps://"),
        ({"address": "amqps://mq", "ca_file": "/nowhere/ca"}, "ca_certs: /nowhere/ca is not there"),
        ({"address": "amqp://us@mq", "password_file": "/nowhere"}, "BROKER_PASSWORD_FILE: /nowhere"),
        ({"address": "amqp://us:word@mq", "password_file": "/nowhere"}, "leave one of them out"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_secrets(words, told):
    with pytest.raises(ImproperlyConfigured, match=told) as caught:
        broker_settings(Broker(**words))
    assert "word@" not in str(caught.value)


def test_a_password_that_others_may_read_is_refused(files):
    (files / "word").chmod(0o644)
    with pytest.raises(ImproperlyConfigured, match="chmod 600"):
        broker_settings(Broker("amqp://us@mq", password_file=str(files / "word")))
