"""What the copy tool ``s3`` does with objects, by boto3, in a process apart.

A file is stored with its adler32 and the ETag that it has to get as metadata. When the storage's own ETag, which it
makes of the bytes that it has taken, is that one, then the adler32 is that of what the storage has.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple, Optional

from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.s3_access import client_for, failures, library
from pilot.copytool.system_errors import told

MIB = 2**20
#: Parts that an object may have at most.
MOST_PARTS = 10_000
_BLOCK = MIB


class Summed(NamedTuple):
    """What is known of a file before it is stored: size, adler32, the MD5 of each part."""

    size: int
    adler32: str
    digests: tuple[bytes, ...]

    @property
    def etag(self) -> str:
        """What a storage answers that has taken the same bytes in the same parts."""
        if len(self.digests) == 1:
            return self.digests[0].hex()
        return f"{hashlib.md5(b''.join(self.digests), usedforsecurity=False).hexdigest()}-{len(self.digests)}"

    @property
    def metadata(self) -> dict[str, str]:
        """What is stored beside the bytes."""
        return {"adler32": self.adler32, "etag": self.etag}


def store(source: str, bucket: str, key: str, access: Mapping[str, Any]) -> dict[str, Any]:
    """Store a file, at one go or in parts, and say what the storage has taken."""
    with failures(bucket, key), told(Path(source), "read"), open(source, "rb") as file:  # noqa: PTH123  fails later
        part = max(int(access["part"]), -(-os.fstat(file.fileno()).st_size // MOST_PARTS // MIB) * MIB)
        summed = sum_up(file, part)
        client = client_for(access)
        if len(summed.digests) == 1:
            body = os.pread(file.fileno(), summed.size, 0)
            sum_ = base64.b64encode(summed.digests[0]).decode()
            answer = client.put_object(Bucket=bucket, Key=key, Body=body, ContentMD5=sum_, Metadata=summed.metadata)
        else:
            answer = _store_parts(client, file, (bucket, key), summed, part, int(access["streams"]))
    # Of an encrypted object the storage tells something else, having compared each part with its MD5 all the same.
    if _is_sum(answer) and answer["ETag"].strip('"') != summed.etag:
        words = f"the storage has taken {answer['ETag']}, {summed.etag} was sent"
        raise CopyFailed(FailureKind.CHECKSUM, words)
    return {"size": summed.size, "adler32": summed.adler32}


def sum_up(file: IO[bytes], part: int) -> Summed:
    """Read a file through once."""
    size, adler, digests, md5 = 0, 1, list[bytes](), hashlib.md5(usedforsecurity=False)
    while block := file.read(min(_BLOCK, part - size % part)):
        if size and size % part == 0:
            digests.append(md5.digest())
            md5 = hashlib.md5(usedforsecurity=False)
        md5.update(block)
        adler = zlib.adler32(block, adler)
        size += len(block)
    return Summed(size, f"{adler:08x}", (*digests, md5.digest()))


def _store_parts(
    client: Any, file: IO[bytes], where: tuple[str, str], summed: Summed, part: int, streams: int
) -> Mapping[str, Any]:
    """Store in parts, so many at a time; what fails is given up as a whole."""
    of = {"Bucket": where[0], "Key": where[1]}
    of["UploadId"] = client.create_multipart_upload(**of, Metadata=summed.metadata)["UploadId"]

    def send(number: int) -> dict[str, Any]:
        body = os.pread(file.fileno(), part, number * part)
        sum_ = base64.b64encode(summed.digests[number]).decode()
        answer = client.upload_part(**of, PartNumber=number + 1, Body=body, ContentMD5=sum_)
        return {"PartNumber": number + 1, "ETag": answer["ETag"]}

    workers = ThreadPoolExecutor(streams)
    try:
        sent = list(workers.map(send, range(len(summed.digests))))
        answer: Mapping[str, Any] = client.complete_multipart_upload(**of, MultipartUpload={"Parts": sent})
    except BaseException:
        workers.shutdown(cancel_futures=True)
        with contextlib.suppress(*library().errors):
            client.abort_multipart_upload(**of)
        raise
    workers.shutdown()
    return answer


def fetch(bucket: str, key: str, target: str, access: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch an object, some ranges of it at a time, and say what has come."""
    path, adler, size = Path(target), 1, 0
    try:
        with failures(bucket, key), told(path, "written"):
            client = client_for(access)
            head = client.head_object(Bucket=bucket, Key=key)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for block in _ranges(client, (bucket, key), head, int(access["part"]), int(access["streams"])):
                    adler = zlib.adler32(block, adler)
                    size += file.write(block)
        if size != int(head["ContentLength"]):
            words = f"{bucket}/{key}: {size} of {head['ContentLength']} bytes have come"
            raise CopyFailed(FailureKind.SIZE, words)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return {"size": size, "adler32": f"{adler:08x}"}


def _ranges(client: Any, where: tuple[str, str], head: Mapping[str, Any], part: int, streams: int) -> Iterator[bytes]:
    """Read an object in order, while the next ranges are on their way; boto3's own such way can wait for itself."""

    def get(begin: int) -> bytes:
        wanted = {"Range": f"bytes={begin}-{begin + part - 1}", "IfMatch": head["ETag"]}
        content: bytes = client.get_object(Bucket=where[0], Key=where[1], **wanted)["Body"].read()
        return content

    workers, coming = ThreadPoolExecutor(streams), collections.deque[Any]()
    try:
        for begin in range(0, int(head["ContentLength"]), part):
            coming.append(workers.submit(get, begin))
            if len(coming) == streams:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        workers.shutdown(cancel_futures=True)


def stat(bucket: str, key: str, access: Mapping[str, Any]) -> Optional[int]:
    """Answer an object's size in bytes; ``None`` when there is none."""
    try:
        with failures(bucket, key):
            return int(client_for(access).head_object(Bucket=bucket, Key=key)["ContentLength"])
    except CopyFailed as failed:
        if failed.kind is not FailureKind.NO_SUCH_FILE:
            raise
    return None


def checksum(bucket: str, key: str, algorithm: str, access: Mapping[str, Any]) -> str:
    """Answer what the storage's own ETag proves; otherwise read the object through."""
    with failures(bucket, key):
        head = client_for(access).head_object(Bucket=bucket, Key=key)
        etag, noted = head["ETag"].strip('"'), head.get("Metadata", {})
        if _is_sum(head) and algorithm == "adler32" and noted.get("etag") == etag and "adler32" in noted:
            return f"adler32:{noted['adler32']}"
        if _is_sum(head) and algorithm == "md5" and "-" not in etag:
            return f"md5:{etag}"
        body = client_for(access).get_object(Bucket=bucket, Key=key)["Body"]
        adler, md5 = 1, hashlib.md5(usedforsecurity=False)
        for block in body.iter_chunks(_BLOCK):
            adler = zlib.adler32(block, adler) if algorithm == "adler32" else adler
            md5.update(block if algorithm == "md5" else b"")
    return f"md5:{md5.hexdigest()}" if algorithm == "md5" else f"adler32:{adler:08x}"


def _is_sum(answer: Mapping[str, Any]) -> bool:
    """Say whether an ETag is made of the object's bytes: of what is encrypted by further keys it is not."""
    return "SSECustomerAlgorithm" not in answer and not str(answer.get("ServerSideEncryption", "")).startswith("aws:")


def rename(bucket: str, key: str, new_bucket: str, new_key: str, access: Mapping[str, Any]) -> None:
    """Copy an object within the storage, and delete the old one."""
    if stat(new_bucket, new_key, access) is not None:
        raise CopyFailed(FailureKind.EXISTS, f"{new_bucket}/{new_key} is there")
    with failures(bucket, key):
        client = client_for(access)
        noted = client.head_object(Bucket=bucket, Key=key).get("Metadata", {})
        more = {"Metadata": noted, "MetadataDirective": "REPLACE"}  # in parts it would be lost
        client.copy({"Bucket": bucket, "Key": key}, new_bucket, new_key, ExtraArgs=more)
        client.delete_object(Bucket=bucket, Key=key)


def remove(bucket: str, key: str, access: Mapping[str, Any]) -> None:
    """Delete an object, and what an upload of it that was killed has left, which nobody sees but the storage."""
    with failures(bucket, key):
        client = client_for(access)
        client.delete_object(Bucket=bucket, Key=key)
    with contextlib.suppress(*library().errors):  # not everybody who may write may look for them
        for left in client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", []):
            if left["Key"] == key:
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=left["UploadId"])
