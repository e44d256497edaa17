"""A registry of container images on the loopback, with one tiny image: enough of the protocol to fetch it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "compass/tiny"
_KIND = "application/vnd.oci.image"


def pack(tree: Path) -> tuple[dict[str, bytes], bytes]:
    """Answer the blobs of an image made from a folder, by their digests, and its manifest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        layer.add(tree, arcname=".")
    plain = packed.getvalue()
    zipped = gzip.compress(plain, 1)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_KIND}.manifest.v1+json",
        "config": _described(config, "config.v1+json"),
        "layers": [_described(zipped, "layer.v1.tar+gzip")],
    }
    return {_digest(blob): blob for blob in (config, zipped)}, json.dumps(manifest).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _described(blob: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": f"{_KIND}.{kind}", "size": len(blob), "digest": _digest(blob)}


def answer_of(path: str, blobs: dict[str, bytes], manifest: bytes) -> tuple[int, str, str, bytes]:
    """Answer a request: status, kind, digest and content."""
    last = path.rpartition("/")[2]
    if path == "/v2/":
        return 200, "application/json", "", b"{}"
    if path.startswith(f"/v2/{NAME}/manifests/") and last in ("1", _digest(manifest)):
        return 200, f"{_KIND}.manifest.v1+json", _digest(manifest), manifest
    if last in blobs:
        return 200, "application/octet-stream", last, blobs[last]
    return 404, "application/json", "", b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'


@contextmanager
def serving(tree: Path) -> Iterator[str]:
    """Serve the image ``compass/tiny:1``; answer host and port."""
    blobs, manifest = pack(tree)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.respond()

        def do_HEAD(self) -> None:
            self.respond()

        def respond(self) -> None:
            status, kind, digest, content = answer_of(self.path, blobs, manifest)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
