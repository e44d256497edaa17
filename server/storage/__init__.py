"""Storages as the server sees them: what lies there, bringing files from tape, removing, third-party copies."""
