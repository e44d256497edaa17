"""Objects: against moto's server, which stands in for an object storage, and against answers as storages give them."""

from __future__ import annotations

import io
import random
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from pilot.copytool import s3, s3_apart
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, Transfer
from pilot.settings import s3 as settings
from pilot.settings.declaring import MIB
from pilot.settings.everything import Settings
from tests.kits.copytool import CONTENT, SUM, ServedCopyToolKit

BUCKET = "compass.data"


@pytest.mark.parametrize(
    ("url", "own", "place"),
    [
        ("s3://bucket/a/b c%20", "", ("", "bucket", "a/b c%20")),
        ("s3://host:9000/bucket/a/b", "", ("host:9000", "bucket", "a/b")),
        ("s3://host:9000//bucket//a", "", ("host:9000", "bucket", "a")),
        ("s3://s3.example/bucket/a", "s3.example", ("s3.example", "bucket", "a")),
        ("s3://my.bucket/a", "s3.example", ("", "my.bucket", "a")),
    ],
)
def test_an_object_is_read_from_its_url(url, own, place):
    assert s3.place_of(url, own) == place


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/", "s3://host:1/bucket", "http://host:1/b/a", "s3://u:p@h/b/a"]
)
def test_what_is_no_object_is_refused(url):
    with pytest.raises(CopyFailed, match="is no object such as"):
        s3.place_of(url)


def test_objects_keep_to_one_host():
    with pytest.raises(CopyFailed, match="two hosts"):
        s3.S3().rename("s3://a:1/b/x", "s3://c:1/b/x", Deadline(1))


@pytest.mark.parametrize("size", [0, 1, 10, 11, 20, 25])
def test_what_a_file_has_to_become_is_known_before_it_is_stored(size):
    content = random.Random(size).randbytes(size)
    summed = s3_apart.sum_up(io.BytesIO(content), 10)
    assert (summed.size, summed.adler32) == (size, f"{zlib.adler32(content):08x}")
    assert len(summed.digests) == max(1, -(-size // 10))
    assert ("-" in summed.etag) == (size > 10)


@pytest.mark.one_python
class TestStandIn(ServedCopyToolKit):
    """Moto's server has every object in its memory, and forgets them when it dies."""

    LARGE = 12 * MIB + 17
    ENDLESS = 400 * MIB
    CANNOT = {
        "test_a_folder_is_not_a_file": "an object storage has no folders",
        "test_a_server_that_dies_is_told_as_unreachable_and_what_it_has_is_removed_later": "the stand-in keeps nothing",
    }

    @pytest.fixture
    def storage(self, object_storage):
        object_storage.empty()
        return object_storage

    @pytest.fixture
    def ways(self, object_storage):
        return {"credentials_file": str(object_storage.keys), "secure": False, "part": 5 * MIB, "streams": 2}

    @pytest.fixture
    def tool(self, ways):
        return s3.S3(Settings(s3=settings.S3(**ways)))

    def url(self, storage, name):
        return f"s3://{storage.host}/{BUCKET}/data/{name}"

    def put(self, storage, name, content):
        storage.client.put_object(Bucket=BUCKET, Key=f"data/{name}", Body=content)

    def get(self, storage, name):
        return storage.client.get_object(Bucket=BUCKET, Key=f"data/{name}")["Body"].read()

    def names(self, storage):
        found = storage.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(each["Key"].partition("/")[2] for each in found)

    def begun(self, storage):
        return bool(storage.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))

    def frozen(self, storage):
        return storage.frozen()

    def unreachable(self, storage, name):
        return f"s3://127.0.0.1:1/{BUCKET}/{name}"

    @pytest.fixture(autouse=True)
    def _refusing(self):
        with Answering(403, "AccessDenied") as server:
            self.refusing = server
            yield

    def forbidden(self, storage, name):
        return f"s3://{self.refusing.host}/{BUCKET}/{name}"

    def test_no_part_of_an_upload_that_was_killed_stays(self, tool, storage, tmp_path):
        upload = {"Bucket": BUCKET, "Key": "data/a"}
        storage.client.create_multipart_upload(**upload)
        assert self.begun(storage)
        tool.remove(self.url(storage, "a"), Deadline(30))
        assert not self.begun(storage)

    def test_the_storages_own_etag_is_what_a_checksum_is_believed_by(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        self.store(tool, tmp_path / "here", self.url(storage, "a"))
        head = storage.client.head_object(Bucket=BUCKET, Key="data/a")
        assert head["Metadata"] == {"adler32": SUM.partition(":")[2], "etag": head["ETag"].strip('"')}
        # Somebody has put something else in its place, and kept what was told of it.
        other = {"Bucket": BUCKET, "Key": "data/a", "Metadata": head["Metadata"], "Body": b"other"}
        storage.client.put_object(**other)
        assert tool.checksum(self.url(storage, "a"), "adler32", Deadline(30)) == f"adler32:{zlib.adler32(b'other'):08x}"

    def test_a_renamed_object_keeps_what_is_told_of_it(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        self.store(tool, tmp_path / "here", self.url(storage, "a"))
        tool.rename(self.url(storage, "a"), self.url(storage, "b"), Deadline(30))
        assert storage.client.head_object(Bucket=BUCKET, Key="data/b")["Metadata"]["adler32"] == SUM.partition(":")[2]

    def test_a_bucket_that_is_not_there_is_told(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        with pytest.raises(CopyFailed, match="NoSuchBucket") as caught:
            self.store(tool, tmp_path / "here", f"s3://{storage.host}/no-such-bucket/a")
        assert caught.value.kind is FailureKind.NO_SUCH_FILE

    def test_an_object_that_changes_while_it_is_fetched_is_no_mixture(self, storage, ways):
        self.put(storage, "a", CONTENT)
        client, access = storage.client, s3.S3(Settings(s3=settings.S3(**ways)))._access(s3.Place("", BUCKET, "a"))
        head = client.head_object(Bucket=BUCKET, Key="data/a")
        blocks = s3_apart._ranges(client, (BUCKET, "data/a"), head, 100, access["streams"])
        assert next(blocks) == CONTENT[:100]
        self.put(storage, "a", b"other")
        with pytest.raises(Exception, match="PreconditionFailed"):
            list(blocks)

    def test_buckets_are_also_found_at_the_host_of_the_settings(self, storage, ways):
        self.put(storage, "a", CONTENT)
        tool = s3.S3(Settings(s3=settings.S3(**ways, endpoint=f"http://{storage.host}", addressing="path")))
        assert tool.stat(f"s3://{BUCKET}/data/a", Deadline(30)).size == len(CONTENT)

    def test_keys_are_in_no_command_line_and_no_environment(self, tool, storage):
        from tests.services.object_storage import SECRET_KEY

        tool.stat(self.url(storage, "a"), Deadline(30))
        living = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
        children = [each for each in living if "pilot.copytool.s3_apart" in each.cmdline()]
        assert children
        for child in children:
            assert SECRET_KEY not in " ".join(child.cmdline())
            assert SECRET_KEY not in " ".join(child.environ().values())


def test_without_boto3_the_extra_is_named(tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\nexec python3 -S "$@"\n')
    (tmp_path / "python").chmod(0o755)
    tool = s3.S3(Settings(s3=settings.S3(python=str(tmp_path / "python"))))
    with pytest.raises(CopyFailed, match=r"has no boto3 .* install compass-pilot\[s3\], or set s3\.python"):
        tool.stat("s3://bucket/a", Deadline(30))


class Answering(ThreadingHTTPServer):
    """A storage that answers every request with one error; most clients ask again when it is in trouble."""

    daemon_threads = True

    def __init__(self, status, code):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.code = status, code
        self.host = f"127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"<Error><Code>{self.server.code}</Code><Message>what it means</Message></Error>".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", FailureKind.PERMISSION),
        (403, "InvalidAccessKeyId", FailureKind.AUTHENTICATION),
        (403, "SignatureDoesNotMatch", FailureKind.AUTHENTICATION),
        (400, "ExpiredToken", FailureKind.AUTHENTICATION),
        (400, "BadDigest", FailureKind.CHECKSUM),
        (403, "QuotaExceeded", FailureKind.NO_SPACE),
        (507, "XMinioStorageFull", FailureKind.NO_SPACE),
        (503, "SlowDown", FailureKind.UNREACHABLE),
        (412, "PreconditionFailed", FailureKind.EXISTS),
        (418, "SomethingNew", None),
    ],
)
def test_the_kind_of_a_failure_is_told_by_what_the_storage_answers(tmp_path, object_storage, status, code, kind):
    (tmp_path / "here").write_bytes(CONTENT)
    with Answering(status, code) as server:
        tool = s3.S3(Settings(s3=settings.S3(secure=False, credentials_file=str(object_storage.keys))))
        transfer = Transfer("f", f"file://{tmp_path / 'here'}", f"s3://{server.host}/{BUCKET}/a")
        with pytest.raises(CopyFailed, match=code) as caught:
            tool.copy(transfer, Deadline(30), Cancel())
    assert caught.value.kind is kind
    assert f"{BUCKET}/a" in caught.value.words


class _Whole(_Answer):
    """Answers a request for a range with all there is, as a proxy may that knows of none."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("ETag", '"of-it"')
        self.send_header("Content-Length", str(6 * MIB))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(bytes(6 * MIB))

    do_GET = do_HEAD  # noqa: N815


@pytest.mark.one_python
def test_more_or_less_than_there_is_does_not_count_as_fetched(tmp_path, object_storage):
    with Answering(200, "") as server:
        server.RequestHandlerClass = _Whole
        ways = settings.S3(secure=False, credentials_file=str(object_storage.keys), part=5 * MIB)
        transfer = Transfer("f", f"s3://{server.host}/{BUCKET}/a", f"file://{tmp_path}/here")
        with pytest.raises(CopyFailed, match=f"a: {12 * MIB} of {6 * MIB} bytes have come") as caught:
            s3.S3(Settings(s3=ways)).copy(transfer, Deadline(30), Cancel())
    assert caught.value.kind is FailureKind.SIZE
    assert not (tmp_path / "here").exists()
