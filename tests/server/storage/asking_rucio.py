"""What operators and movers tell Rucio, in a process apart: its clients read their configuration once."""

from __future__ import annotations


def give_up(rule):
    """Have a rule stuck."""
    from rucio.client import Client

    yield Client().update_replication_rule(rule, {"state": "STUCK"})


def arrive(endpoint, files):
    """Say that files have arrived on a storage."""
    from rucio.client import Client

    yield Client().update_replicas_states(endpoint, [{**file, "state": "A"} for file in files])
