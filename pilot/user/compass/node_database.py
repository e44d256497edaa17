"""A calibration database on each node of an allocation: a thousand jobs at once are too many for those of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilot.hpc.values import NODE, NodeService

if TYPE_CHECKING:
    from pilot.user.compass.site import SiteChoice

DATA, SOCKET = f"{NODE}/data", f"{NODE}/mysql.sock"


def service(choice: SiteChoice) -> NodeService:
    """Answer a MySQL server on a copy of the site's data, which only this node's programs reach, by a socket.

    It is ready when it greets whoever connects.
    """
    return NodeService(
        "calibration",
        (
            choice.database_program,
            "--no-defaults",
            f"--datadir={DATA}",
            f"--socket={SOCKET}",
            f"--pid-file={NODE}/mysql.pid",
            "--skip-networking",
            "--skip-log-bin",
        ),
        before=("cp", "-R", "--", choice.database, DATA),
        socket=SOCKET,
        environment=(("CDBSERVER", "localhost"), ("MYSQL_UNIX_PORT", SOCKET)),
        seconds=choice.database_time,
    )
