"""An object storage's stand-in for tests: moto's server, in a process of its own.

It is no real storage: it checks no signature and keeps nothing, and knows S3 as far as its authors do.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until it has to listen.
PATIENCE = 90.0
#: What it is spoken to with; any keys would do.
ACCESS_KEY, SECRET_KEY = "compass-tests", "secret-of-the-object-storage"
BUCKET = "compass.data"


class ObjectStorage:
    """One server with one bucket."""

    def __init__(self, folder: Path, daemons: Daemons) -> None:
        self.folder, self._daemons = folder, daemons
        (self.port,) = free_ports(1)
        self.keys = folder / "keys.ini"
        self.keys.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
        self.keys.chmod(0o600)

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, wait until it listens, and make the bucket."""
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._daemons.start("moto", argv, {"TMPDIR": str(self.folder), "COMPASS_TESTS_KIT": ""})
        self._daemons.wait(self._listens, PATIENCE, "moto's server does not listen")
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def client(self) -> Any:
        """A client of its own, to look at what is there."""
        import boto3

        where = {"endpoint_url": f"http://{self.host}", "region_name": "us-east-1"}
        return boto3.client("s3", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, **where)

    def empty(self) -> None:
        """Take away everything that lies in the bucket."""
        for found in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.client.delete_object(Bucket=BUCKET, Key=found["Key"])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it do nothing for a while."""
        pid = self._daemons.pid("moto")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """Have it die."""
        self._daemons.kill("moto")

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextmanager
def running() -> Iterator[ObjectStorage]:
    """Have one for a while."""
    folder = Path(tempfile.mkdtemp(prefix="object-storage-"))
    daemons = Daemons(folder)
    try:
        server = ObjectStorage(folder, daemons)
        server.start()
        yield server
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
