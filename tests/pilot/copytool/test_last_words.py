import pytest

from pilot.copytool.base import FailureKind
from pilot.copytool.last_words import kind_of, last_of


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Run: [ERROR] CheckSum error: local 1 remote 2", FailureKind.CHECKSUM),
        ("write: No space left on device", FailureKind.NO_SPACE),
        ("git@host: Permission denied (publickey,password).", FailureKind.AUTHENTICATION),
        ("scp: /data/a: Permission denied", FailureKind.PERMISSION),
        ("globus_ftp_client: the credential has expired", FailureKind.AUTHENTICATION),
        ("curl: (28) Operation timed out after 5000 ms", FailureKind.TIMEOUT),
        ("ssh: connect to host x port 22: Connection refused", FailureKind.UNREACHABLE),
        ("ssh: Could not resolve hostname nowhere: Name or service not known", FailureKind.UNREACHABLE),
        ("cannot overwrite: File exists", FailureKind.EXISTS),
        ("wc: 'standard input': Is a directory", FailureKind.EXISTS),
        ("client_loop: send disconnect: Broken pipe scp: Connection closed", FailureKind.UNREACHABLE),
        ("stat: No such file or directory", FailureKind.NO_SUCH_FILE),
        (
            "globus_credential: Error with credential: The proxy credential: /p expired 1440 minutes ago.",
            FailureKind.AUTHENTICATION,
        ),
        ("530-globus_gsi_callback_module: Could not verify credential", FailureKind.AUTHENTICATION),
        ("globus_credential: Valid credentials could not be found in any of the possible", FailureKind.AUTHENTICATION),
        (
            "530-Login incorrect. : globus_gss_assist: Gridmap lookup failure: Could not map /CN=a",
            FailureKind.AUTHENTICATION,
        ),
        ("Result (Neon): Server certificate verification failed: issuer is not trusted", FailureKind.AUTHENTICATION),
        ("SSL error: sslv3 alert certificate expired after 1 attempts", FailureKind.AUTHENTICATION),
        ("SSL error: tlsv1 alert unknown ca", FailureKind.AUTHENTICATION),
        ("500-globus_xio: System error in open: Permission denied", FailureKind.PERMISSION),
        ("Copy failed (streamed). Last attempt: HTTP 403 : Permission refused", FailureKind.PERMISSION),
        ("500-globus_xio: System error in open: No such file or directory", FailureKind.NO_SUCH_FILE),
        ("globus_xio: Unable to connect to localhost:1", FailureKind.UNREACHABLE),
        ("globus_xio: An end of file occurred", FailureKind.UNREACHABLE),
        ("something else altogether", None),
    ],
)
def test_what_programs_say_has_a_kind(words, kind):
    assert kind_of(words) is kind


def test_words_are_the_last_ones_on_one_line():
    assert last_of(" one\n two\n") == "one two"
    assert last_of("x" * 10 + "end", 9) == "...xxxend"
