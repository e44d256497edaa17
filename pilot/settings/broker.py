"""Settings of the message broker."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Broker(Section):
    """Listening to a message broker, by STOMP, for calls to ask for work and for the end of tasks."""

    subscribe: bool = key(False, help="Listen to the message broker.")
    url: str = key("", help="Its address: stomps://host:port (encrypted), or stomp://host:port.")
    destination: str = key("/topic/panda.pilot", help="The topic or queue to listen to.")
    host: str = key("", help="The virtual host there; the address's host name when left out.")
    credentials_file: str = key("", help="File (mode 0600) with a login and a password, a line each.")
    certificate: str = key("", help="File with a client certificate and its key (PEM).")
    authorities: str = key("", help="File or folder of the authorities that the broker's certificate is verified with.")
    timeout: float = key(10.0, "s", low=0.1, high=120, help="Longest wait for a connection and for its greeting.")
    beat: float = key(
        60.0, "s", low=1, help="Longest time without a sign of life from either side; none counts double."
    )
    pause: float = key(
        1.0, "s", low=0.05, help="Pause before a lost connection is made anew; doubles, give or take half."
    )
    pause_most: float = key(300.0, "s", low=1, help="Longest such pause, give or take half.")
    ask_every: float = key(
        600.0,
        "s",
        low=1,
        help="While it listens, a pilot without a job asks for one at least so often, give or take half.",
    )
    idle: float = key(3600.0, "s", low=1, help="While it listens, a pilot waits so long for a job before it ends.")
