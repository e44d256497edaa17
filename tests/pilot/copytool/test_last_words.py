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
        ("stat: No such file or directory", FailureKind.NO_SUCH_FILE),
        ("something else altogether", None),
    ],
)
def test_what_programs_say_has_a_kind(words, kind):
    assert kind_of(words) is kind


def test_words_are_the_last_ones_on_one_line():
    assert last_of(" one\n two\n") == "one two"
    assert last_of("x" * 10 + "end", 9) == "...xxxend"
