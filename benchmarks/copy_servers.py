"""The storages that copying is measured with by real servers on this machine, those of the tests."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.copy_storages import DATASET, Storage, execute, local, lsm, put_in, remove_from, s3, sum_of
from pilot.copytool.ssh_scripts import SUM, SUM_UP
from pilot.settings import Settings
from pilot.settings.gfal import Gfal
from pilot.settings.gridftp import Gridftp
from pilot.settings.rucio import Rucio
from pilot.settings.scp import Scp
from pilot.settings.sections import Server
from pilot.settings.xrdcp import Xrdcp


def _scp(stack: ExitStack, folder: Path) -> Storage:
    from tests.services import sshd

    server, files = stack.enter_context(sshd.running()), folder / DATASET
    options = ["-F", "none", "-i", str(server.identity), "-o", f"UserKnownHostsFile={server.known_hosts}"]
    options += ["-o", "BatchMode=yes", "-o"]

    def there(name: str) -> str:
        return f"127.0.0.1:{files / name}"

    def bare(source: str, target: str) -> None:
        execute(["scp", *options, f"Port={server.port}", source, target])

    def sum_up(url: str) -> None:
        words = ["sh", "-c", SUM, "sh", url.partition(":")[2], SUM_UP, "adler32"]
        execute(["ssh", *options, f"Port={server.port}", "127.0.0.1", shlex.join(words)])

    return Storage(
        "scp",
        f"scp://127.0.0.1:{server.port}",
        str(folder),
        Settings(scp=Scp(identity_file=str(server.identity), known_hosts=str(server.known_hosts), config="none")),
        bare,
        sum_up,
        there,
        put_in(files),
        remove_from(files),
        "scp; then adler32 of what came, or ssh to have the host compute it",
    )


def _xrdcp(*, module: bool) -> Callable[[ExitStack, Path], Storage]:
    def make(stack: ExitStack, _: Path) -> Storage:
        from tests.services import xrootd

        os.environ.update(xrootd.client())
        server = stack.enter_context(xrootd.running())
        at = f"127.0.0.1:{server.ports[0]}"
        server.put(f"{DATASET}/made", b"")
        files = server.data / DATASET

        def bare(source: str, target: str) -> None:
            execute(["xrdcp", "--nopbar", "--silent", "--force", source, target])

        def sum_up(url: str) -> None:
            path = url.partition(at)[2][1:]
            execute(["xrdfs", f"root://{at}", "query", "checksum", f"{path}?cks.type=adler32"])

        return Storage(
            "xrdcp",
            f"root://{at}",
            "/",
            Settings(xrdcp=Xrdcp(way="bindings" if module else "programs")),
            bare,
            sum_up,
            lambda name: f"{server.root}/{DATASET}/{name}",
            put_in(files),
            remove_from(files),
            "xrdcp; then adler32 of what came, or xrdfs to ask the server for it",
            way="by its module" if module else "",
            steps=0 if module else 1,
        )

    return make


def _by_gfal(url: str, environment: Mapping[str, str]) -> Callable[[str], None]:
    """Answer what has gfal2's program ask for a checksum."""
    from tests.services import gfal

    program = str(gfal.programs() / "gfal-sum")
    return lambda there: execute([program, there, "ADLER32"], {**os.environ, **environment})


def _gfal(stack: ExitStack, folder: Path) -> Storage:
    from tests.services import gfal, xrootd

    programs = gfal.programs()
    server = stack.enter_context(xrootd.running(tls=True))
    authority = server.authority
    if authority is None:
        raise OSError("the server has no certificate")
    server.put(f"{DATASET}/made", b"")
    files, trusted = server.data / DATASET, {"X509_CERT_DIR": str(authority.hashed())}

    def bare(source: str, target: str) -> None:
        ends = [end if "://" in end else f"file://{end}" for end in (source, target)]
        execute([str(programs / "gfal-copy"), "-f", *ends], {**os.environ, **trusted})

    return Storage(
        "gfal",
        server.davs,
        "/",
        Settings(gfal=Gfal(python=str(programs / "python")), server=Server(authorities=trusted["X509_CERT_DIR"])),
        bare,
        _by_gfal(server.davs, trusted),
        lambda name: f"{server.davs}/{DATASET}/{name}",
        put_in(files),
        remove_from(files),
        "gfal-copy (WebDAV of XRootD); then adler32 of what came, or gfal-sum",
    )


def _gridftp(stack: ExitStack, _: Path) -> Storage:
    from tests.services import gfal, gridftp

    programs = gfal.programs()
    server = stack.enter_context(gridftp.running())
    program, paths = str(server.copy_program), server.environment
    server.put(f"{DATASET}/made", b"")
    files, at = server.storage / DATASET, server.secure[: -len(str(server.storage))]
    own = Server(authorities=paths["X509_CERT_DIR"], certificate=paths["X509_USER_PROXY"])

    def bare(source: str, target: str) -> None:
        ends = [end if "://" in end else f"file://{end}" for end in (source, target)]
        execute([program, "-nodcau", *ends], {**os.environ, **paths})

    return Storage(
        "gridftp",
        at,
        str(server.storage),
        Settings(gridftp=Gridftp(program=program), gfal=Gfal(python=str(programs / "python")), server=own),
        bare,
        _by_gfal(at, paths),
        lambda name: f"{server.secure}/{DATASET}/{name}",
        put_in(files),
        remove_from(files),
        "globus-url-copy; then adler32 of what came, or gfal-sum",
    )


def _rucio(stack: ExitStack, folder: Path) -> Storage:
    from tests.services import rucio

    server = stack.enter_context(rucio.running())
    environment = {**os.environ, "RUCIO_HOME": str(server.home)}
    program = str(server.python.with_name("rucio"))

    def path_of(name: str) -> Path:
        digest = hashlib.md5(f"{rucio.SCOPE}:{name}".encode(), usedforsecurity=False).hexdigest()
        return server.disk / rucio.SCOPE / digest[:2] / digest[2:4] / name

    def upload(paths: Sequence[str]) -> None:
        execute([program, "upload", "--rse", rucio.DISK, "--scope", rucio.SCOPE, *paths], environment)

    def put(source: Path, names: Sequence[str]) -> None:
        for name in names:
            shutil.copyfile(source, folder / name)
        upload([str(folder / name) for name in names])
        for name in names:
            (folder / name).unlink()

    def bare(source: str, target: str) -> None:
        if source.startswith(f"{rucio.SCOPE}:"):
            where = ["--dir", str(Path(target).parent), "--no-subdir"]
            execute([program, "download", "--rses", rucio.DISK, *where, source], environment)
        else:
            upload([source])

    return Storage(
        "rucio",
        "file://",
        str(server.disk),
        Settings(rucio=Rucio(python=str(server.python), home=str(server.home), register=True)),
        bare,
        lambda there: sum_of(path_of(there.partition(":")[2])),
        lambda name: f"{rucio.SCOPE}:{name}",
        put,
        lambda name: path_of(name).unlink(missing_ok=True),
        "rucio upload (which registers, too) or rucio download; then adler32 of the copy",
        steps=10,
        name=rucio.DISK,
        scope=rucio.SCOPE,
        deterministic=True,
    )


#: What there are storages for here.
MAKERS: Mapping[str, Callable[[ExitStack, Path], Storage]] = {
    "local": local,
    "lsm": lsm,
    "scp": _scp,
    "xrdcp": _xrdcp(module=False),
    "xrdcp by its module": _xrdcp(module=True),
    "gfal": _gfal,
    "gridftp": _gridftp,
    "rucio": _rucio,
    "s3": s3,
}


@contextmanager
def storage(name: str, folder: Path) -> Iterator[Storage | str]:
    """Have one for a while; or the reason why it cannot be had here.

    Args:
        name: One of `MAKERS`.
        folder: An empty folder for files.
    """
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with ExitStack() as stack:
        try:
            made = MAKERS[name](stack, folder)
        except _not_here() as wrong:
            yield " ".join(str(wrong).split())
        else:
            yield made


def _not_here() -> tuple[type[BaseException], ...]:
    import pytest

    return (pytest.skip.Exception, OSError, ImportError)
