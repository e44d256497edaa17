from __future__ import annotations

import pytest

from pilot.errors import ConfigError
from pilot.settings import Token, layers, load
from pilot.settings.panda import HOMES, TOKENS, panda_layers, token_file


@pytest.fixture
def place(tmp_path):
    """Every folder a token may lie in, each with a file ``token`` that tells where it lies."""
    for name in ("oidc", "panda", "proxies", *HOMES):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"from-{name}")
    (tmp_path / "proxies" / "proxy.pem").write_text("PEM")
    return tmp_path


def whole(place):
    return {
        "PANDA_AUTH_TOKEN": "token",
        "OIDC_AUTH_DIR": str(place / "oidc"),
        "PANDA_AUTH_DIR": str(place / "panda"),
        "X509_USER_PROXY": str(place / "proxies" / "proxy.pem"),
        **{name: str(place / name) for name in HOMES},
    }


def test_a_tokens_file_is_looked_for_in_a_stated_order(place):
    """PanDA's pilot loses the order of its folders in a set (defect 20)."""
    environment, found = whole(place), []
    for variable in ("OIDC_AUTH_DIR", "PANDA_AUTH_DIR", "X509_USER_PROXY", *HOMES):
        found.append(token_file(environment)[1].parent.name)
        del environment[variable]
    assert found == ["oidc", "panda", "proxies", *HOMES]
    assert token_file(environment) is None


def test_of_several_variables_the_first_whose_file_exists_counts(tmp_path):
    environment = {name: str(tmp_path / name) for name in TOKENS}
    for name in reversed(TOKENS):
        (tmp_path / name).write_text("t")
        assert token_file(environment)[0] == name


def test_the_folder_may_be_named_with_or_without_a_slash_at_its_end(place):
    for text in (f"{place}/oidc", f"{place}/oidc/"):
        assert token_file({"PANDA_AUTH_TOKEN": "token", "OIDC_AUTH_DIR": text})[1] == place / "oidc" / "token"


def test_a_folder_that_cannot_be_looked_into_is_passed_over(place):
    """Another account's home, for instance; here a name that no file system takes, which fails for root as well."""
    closed = "/" + "x" * 300
    home = {"PANDA_AUTH_TOKEN": "token", "PILOT_WORK_DIR": closed, "HOME": str(place / "HOME")}
    assert token_file(home)[1] == place / "HOME" / "token"
    assert panda_layers({"X509_USER_PROXY": f"{closed}/proxy", "X509_CERT_DIR": closed}) == []


def test_a_token_comes_with_its_origin_and_without_a_certificate(place):
    environment = {**whole(place), "PANDA_AUTH_ORIGIN": "compass", "OIDC_AUTH_ORIGIN": "compass.oidc"}
    server = load(panda_layers(environment)).settings.server
    assert (server.token_file, server.origin) == (str(place / "oidc" / "token"), "compass.oidc")
    assert server.certificate == ""


def test_without_a_token_the_proxy_is_the_certificate(place, tmp_path):
    proxy = str(place / "proxies" / "proxy.pem")
    loaded = load(panda_layers({"X509_USER_PROXY": proxy, "X509_CERT_DIR": str(tmp_path)}))
    assert (loaded.settings.server.certificate, loaded.settings.server.authorities) == (proxy, str(tmp_path))
    assert loaded.origins["server", "certificate"] == "$X509_USER_PROXY"


def test_what_is_named_and_not_there_is_passed_over(tmp_path):
    missing = str(tmp_path / "missing")
    assert panda_layers({"X509_USER_PROXY": missing, "X509_CERT_DIR": missing, "PANDA_AUTH_TOKEN": missing}) == []


def test_the_pilots_own_token_keeps_pandas_identity_out(place):
    assert panda_layers({**whole(place), "COMPASS_PILOT_TOKEN": "mine"}) == []


def test_base_urls_are_a_list(tmp_path):
    found = load(panda_layers({"PANDA_BASE_URLS": "https://a.example/trf, http://b.example:8080/x/,"}))
    assert found.settings.verify.transformation_urls == ("https://a.example/trf", "http://b.example:8080/x/")


def test_every_other_layer_wins(place, tmp_path):
    own = tmp_path / "own"
    own.write_text("own-token")
    environment = {**whole(place), "COMPASS_PILOT__SERVER__TOKEN_FILE": str(own)}
    assert Token(load(layers(None, [], environment=environment)).settings.server).read() == "own-token"
    del environment["COMPASS_PILOT__SERVER__TOKEN_FILE"]
    assert Token(load(layers(None, [], environment=environment)).settings.server).read() == "from-oidc"


def test_a_file_of_pandas_that_holds_no_token_is_named(place):
    (place / "oidc" / "token").write_text("two words")
    with pytest.raises(ConfigError, match="oidc/token holds no token"):
        Token(load(panda_layers(whole(place))).settings.server).read()


def test_the_folder_of_images_is_the_one_that_the_node_names():
    (layer,) = panda_layers({"IMAGE_BASE": "/cvmfs/images"})
    assert load([layer]).settings.container.image_base == "/cvmfs/images"
    assert panda_layers({"IMAGE_BASE": ""}) == []


def test_a_pilots_lifetime_may_come_from_the_environment():
    (layer,) = panda_layers({"PANDAPILOT_LIFETIME": "7200"})
    assert load([layer]).settings.job.lifetime == 7200.0
    assert panda_layers({"PANDAPILOT_LIFETIME": "long"}) == []


def test_the_key_by_which_tokens_are_renewed_is_found_as_tokens_are(place):
    (place / "panda" / "key").write_text("k")
    environment = {"PANDA_AUTH_TOKEN_KEY": "key", "PANDA_AUTH_DIR": str(place / "panda")}
    (layer,) = panda_layers(environment)
    assert load([layer]).settings.credentials.token_key_file == str(place / "panda" / "key")
    assert panda_layers({"PANDA_AUTH_TOKEN_KEY": "key"}) == []


def test_pilots_may_be_told_to_wait_while_their_node_has_much_to_do():
    def most_load(**environment):
        return load(panda_layers(environment)).settings.job.most_load

    assert most_load(PILOT_ENABLE_DELAY_TO_GET_JOB="1", PILOT_LOAD_FACTOR="1.5") == 1.5
    assert most_load(PILOT_ENABLE_DELAY_TO_GET_JOB="1") == 1.2
    assert most_load(PILOT_LOAD_FACTOR="1.5") == most_load() == 0.0
    assert most_load(PILOT_ENABLE_DELAY_TO_GET_JOB="1", PILOT_LOAD_FACTOR="much") == 0.0
