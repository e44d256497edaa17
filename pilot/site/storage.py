"""Where a file lies on a storage: its URL, from the storage's protocols and the naming rules."""

from __future__ import annotations

from pilot.contract import naming
from pilot.contract.job import FileSpec
from pilot.contract.queue import Protocol, StorageEndpoint

#: The names of the xroot protocol, with and without TLS.
XROOT = ("root", "roots", "xroot", "xroots")


def url_of(file: FileSpec, storage: StorageEndpoint, protocol: Protocol) -> str:
    """Build a file's URL on a storage, such as ``root://host:1094//data/compass/mDST.chunks/mDST-1-2.root``.

    Raises:
        ContractError: the file's scope or dataset could lead out of the storage's root.
    """
    path = naming.storage_path(file.lfn, scope=file.scope, dataset=file.dataset, deterministic=storage.deterministic)
    return f"{root_of(protocol)}/{path}"


def root_of(protocol: Protocol) -> str:
    """Build the URL below which a storage's files lie, without a slash at its end."""
    host = protocol.endpoint if protocol.endpoint.endswith("://") else protocol.endpoint.rstrip("/")
    path = protocol.path.rstrip("/")
    # The xroot protocol wants an absolute path after the slash that ends its host.
    return f"{host}//{path.lstrip('/')}" if protocol.scheme in XROOT else host + path
