import pytest

from pilot.copytool import grid
from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.gfal_words import explained, meaning
from tests.services.authority import Authority

RESET = (
    "gfal2 error: 112 (Host is down) - Result (Neon): Could not send request: Connection reset by peer after 1 tries"
)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "2 (No such file or directory) - Result HTTP 404 : File not found  after 1 attempts",
            FailureKind.NO_SUCH_FILE,
        ),
        ("2 (No such file or directory) - Could not open the user certificate", FailureKind.AUTHENTICATION),
        ("17 (File exists) - Last attempt: HTTP 403 : Permission refused  (destination)", FailureKind.PERMISSION),
        ("1 (Operation not permitted) - HTTP 403 : Permission refused", FailureKind.PERMISSION),
        ("13 (Permission denied) - 530-Login incorrect. : globus_gss_assist: Gridmap", FailureKind.AUTHENTICATION),
        ("13 (Permission denied) - 500-globus_xio: System error in open: Permission denied", FailureKind.PERMISSION),
        ("5 (Input/output error) - DESTINATION CHECKSUM MISMATCH User defined", FailureKind.CHECKSUM),
        ("84 (Invalid or incomplete multibyte) - Run(): [ERROR] CheckSum error", FailureKind.CHECKSUM),
        ("28 (No space left on device) - Failed", FailureKind.NO_SPACE),
        ("122 (Disk quota exceeded) - Failed", FailureKind.NO_SPACE),
        ("110 (Connection timed out) - Failed", FailureKind.TIMEOUT),
        ("112 (Host is down) - Server certificate verification failed: issuer", FailureKind.AUTHENTICATION),
        (
            "112 (Host is down) - (Neon): Could not read status line: SSL error: certificate expired",
            FailureKind.AUTHENTICATION,
        ),
        ("6 (No such device) - (Neon): Could not read status line: SSL error: unexpected eof", FailureKind.UNREACHABLE),
        ("112 (Host is down) - Result Could not connect to server after 1 attempts", FailureKind.UNREACHABLE),
        ("70 (Communication error on send) - globus_xio: Unable to connect to a:1", FailureKind.UNREACHABLE),
        ("70 (Communication error on send) - GLOBUS_FTP_CLIENT_IDLE not allowed here", FailureKind.UNREACHABLE),
        ("42 (No message) - Error on XrdCl::CopyProcess::Run(): [ERROR] Initialization error", FailureKind.UNREACHABLE),
        ("70 (Communication error on send) - 501 Invalid command arguments.", None),
        ("52 (Invalid exchange) - Failed to stat file (Invalid exchange)", FailureKind.AUTHENTICATION),
        ("17 (File exists) - Destination exists", FailureKind.EXISTS),
        ("93 (Protocol not supported) - path/url invalid", None),
    ],
)
def test_a_number_is_believed_where_words_do_not_tell_why(words, kind):
    assert meaning(f"gfal2 error: {words}") is kind
    assert meaning(f"gfal-copy error: {words}") is kind


def test_words_alone_count_where_there_is_no_number():
    assert meaning("Command timed out after 5 seconds!") is FailureKind.TIMEOUT
    assert meaning("Segmentation fault") is None


def test_a_failure_names_the_address_and_one_whose_kind_is_known_stays_as_it_is():
    told = explained(CopyFailed(None, "gfal2 error: 2 (No such file or directory) - x"), "davs://h/a", {})
    assert (told.kind, told.words) == (
        FailureKind.NO_SUCH_FILE,
        "davs://h/a: gfal2 error: 2 (No such file or directory) - x",
    )
    late = CopyFailed(FailureKind.TIMEOUT, "late")
    assert explained(late, "davs://h/a", {}) is late


def test_a_password_in_an_address_is_not_told():
    told = explained(
        CopyFailed(None, "gfal2 error: 5 (Input/output error) - davs://me:secret@h/a"), "davs://me:secret@h/a", {}
    )
    assert "secret" not in told.words
    assert told.words.count("davs://***@h/a") == 2


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("grid") / "authority")


def test_a_connection_that_is_dropped_is_the_proxys_fault_when_that_has_expired(authority, tmp_path):
    person = authority.issue("pilot")
    paths = {grid.PROXY: str(authority.proxy(person, -1))}
    told = explained(CopyFailed(None, RESET), "davs://h/a", paths)
    assert told.kind is FailureKind.AUTHENTICATION
    assert told.words.startswith(f"the proxy {paths[grid.PROXY]} has expired")
    refused = CopyFailed(None, "gfal2 error: 112 (Host is down) - Could not connect to server")
    assert explained(refused, "davs://h/a", paths).kind is FailureKind.UNREACHABLE
    there = {grid.PROXY: str(person)}
    assert explained(CopyFailed(None, RESET), "davs://h/a", there).kind is FailureKind.UNREACHABLE
    gone = explained(CopyFailed(None, RESET), "davs://h/a", {grid.PROXY: str(tmp_path / "gone")})
    assert gone.kind is FailureKind.AUTHENTICATION
    assert "gone: No such file" in gone.words
