"""Settings of what a pilot does with Rucio: its copy tool, and traces."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Rucio(Section):
    """Files moved by Rucio's own clients (the copy tool ``rucio``), and traces of all copies for its popularity."""

    python: str = key("", help="Python that has rucio-clients, on CVMFS for instance; the pilot's own when left out.")
    home: str = key("", help="Folder with etc/rucio.cfg (RUCIO_HOME); as the clients find it when left out.")
    host: str = key("", help="Address of the server, if it is not rucio.cfg's; one logs in where that says.")
    account: str = key("", help="Account; as RUCIO_ACCOUNT or rucio.cfg say when left out.")
    register: bool = key(False, help="The pilot registers what it stores, in its dataset; otherwise the server does.")
    transfer_timeout: float = key(
        0.0, "s", low=0, help="Longest time for one try of Rucio's; 0: what is left for the copy."
    )
    traces: str = key(
        "",
        help="Address that a trace of each copy is sent to, as https://rucio.example/traces/; none if left out.",
    )
    send_traces: bool = key(True, help="Send traces, where traces says whereto.")
    trace_timeout: float = key(5.0, "s", low=0.1, high=60, help="Longest wait for Rucio to take a trace.")
    trace_pause: float = key(60.0, "s", low=0, help="When Rucio has not taken a trace, none is sent for so long.")
