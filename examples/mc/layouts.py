"""The branches of our two kinds of TTree; their units are in README.md beside this module."""

from __future__ import annotations

from .root_file import Layout

EVENT_ID = {"run": "int32", "chunk": "int32", "event": "int32"}
INCLUSIVE = {"Q2": "float64", "x": "float64", "y": "float64", "W": "float64"}
MUON = {"mu_px": "float64", "mu_py": "float64", "mu_pz": "float64"}

GENERATED = Layout(
    tree="generated",
    title="mu+ p deep-inelastic scattering, 160 GeV, Pythia 8",
    scalars={**EVENT_ID, **INCLUSIVE, **MUON},
    group="particle",
    members={"pid": "int32", "px": "float32", "py": "float32", "pz": "float32", "mass": "float32"},
)
"""All final-state particles but the scattered muon, which is in ``mu_*``."""

MDST = Layout(
    tree="mDST",
    title="Reconstructed mu+ p deep-inelastic scattering events",
    scalars={**EVENT_ID, **INCLUSIVE, **MUON, **{f"truth_{name}": kind for name, kind in INCLUSIVE.items()}},
    group="hadron",
    members={
        "charge": "int32",
        "px": "float32",
        "py": "float32",
        "pz": "float32",
        "z": "float32",
        "pT2": "float32",
        "truth_pid": "int32",
    },
)
"""Charged hadrons that were measured, with what the generator says beside them."""
