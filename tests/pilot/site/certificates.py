"""Certificates of every age, made by the openssl program."""

from __future__ import annotations

import subprocess


def make(folder, days=2, name="proxy"):
    """Make a certificate and its key in one PEM file; ``days`` may be 0, for one that ends at once."""
    target, key = folder / f"{name}.pem", folder / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", f"/CN={name}", "-days", str(days), "-keyout", str(key), "-out", str(target)]
    subprocess.run(argv, check=True, capture_output=True)
    target.write_text(target.read_text() + key.read_text())
    return target
