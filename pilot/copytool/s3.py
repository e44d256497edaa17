"""Copy to and from object storages that speak S3; boto3 does it, in a process apart.

An object appears when all of it has arrived, so that it needs no other name meanwhile. There is no renaming: an object
is copied within the storage, and the old one deleted.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from pilot.contract.named import NamedTuple
from pilot.copytool import checksum as sums
from pilot.copytool.apart import Apart, shared
from pilot.copytool.base import Cancel, CopyFailed, CopyTool, Deadline, FileFacts, Transfer
from pilot.copytool.local import path_of

if TYPE_CHECKING:
    from pilot.settings import s3 as settings_s3

WORKER = f"{__package__}.s3_apart"


class Place(NamedTuple):
    """An object: ``host`` (and port) as its URL names it, "" when that begins with the bucket."""

    host: str
    bucket: str
    key: str


class S3(CopyTool):
    """Objects as ``s3://BUCKET/KEY``, or ``s3://HOST:PORT/BUCKET/KEY`` as storages of PanDA have it."""

    name = "s3"
    schemes = ("s3",)
    whole = True

    def copy(self, transfer: Transfer, deadline: Deadline, cancel: Cancel) -> FileFacts:
        if transfer.target.startswith("file:"):
            place, words = self._place(transfer.source), {"target": str(path_of(transfer.target))}
            done = self._call("fetch", place, deadline, cancel, **words)
        else:
            place, words = self._place(transfer.target), {"source": str(path_of(transfer.source))}
            done = self._call("store", place, deadline, cancel, **words)
        return FileFacts(done["size"], f"{sums.ADLER32}:{done['adler32']}")

    def stat(self, url: str, deadline: Deadline) -> Optional[FileFacts]:
        size = self._call("stat", self._place(url), deadline)
        return None if size is None else FileFacts(size)

    def checksum(self, url: str, algorithm: str, deadline: Deadline) -> str:
        sums.digest(algorithm)  # refuses what nobody here could compare with
        return str(self._call("checksum", self._place(url), deadline, algorithm=algorithm))

    def rename(self, source: str, target: str, deadline: Deadline) -> None:
        old, new = self._place(source), self._place(target)
        if old.host != new.host:
            raise CopyFailed(None, f"{source} cannot become {target}: these are two hosts")
        self._call("rename", old, deadline, new_bucket=new.bucket, new_key=new.key)

    def remove(self, url: str, deadline: Deadline) -> None:
        self._call("remove", self._place(url), deadline)

    @cached_property
    def _ways(self) -> settings_s3.S3:
        return self.settings.s3

    def _place(self, url: str) -> Place:
        return place_of(url, urlsplit(self._ways.endpoint).netloc)

    def _call(
        self, function: str, place: Place, deadline: Deadline, cancel: Optional[Cancel] = None, **words: str
    ) -> Any:
        access = self._access(place)
        arguments = {"bucket": place.bucket, "key": place.key, **words, "access": access}
        return self._apart.call(function, arguments, deadline, cancel)

    @property
    def _apart(self) -> Apart:
        return shared(WORKER, python=self._ways.python, setup=self.setup)

    def _access(self, place: Place) -> dict[str, Any]:
        """Say how an object is reached; keys by the name of their file."""
        ways = self._ways
        named = f"{'https' if ways.secure else 'http'}://{place.host}"
        return {
            "endpoint": ways.endpoint if not place.host or place.host == urlsplit(ways.endpoint).netloc else named,
            "host": place.host or urlsplit(ways.endpoint).netloc,
            "bucket": place.bucket,
            "region": ways.region,
            "credentials": ways.credentials_file,
            "verify": ways.verify,
            "authorities": ways.authorities,
            "addressing": ways.addressing,
            "part": ways.part,
            "streams": ways.streams,
        }


def place_of(url: str, own: str = "") -> Place:
    """Read an object's URL; nothing in it is decoded. What has a port, or is the host ``own``, is no bucket."""
    scheme, _, rest = url.partition("://")
    first, _, path = rest.partition("/")
    if ":" in first or (own and first == own):
        bucket, _, key = path.lstrip("/").partition("/")
        place = Place(first, bucket, key.lstrip("/"))
    else:
        place = Place("", first, path.lstrip("/"))
    if scheme != "s3" or not place.bucket or not place.key or "@" in first:
        raise CopyFailed(None, f"{url} is no object such as s3://BUCKET/KEY or s3://HOST:PORT/BUCKET/KEY")
    return place
