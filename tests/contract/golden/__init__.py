"""The memory of the wire: one file per message and dialect.

``ours/`` holds what this product writes, made by ``python -m tests.contract.golden.write`` from `cases`; a change of
the wire shows there as a diff. ``peers/`` holds what others write (stock pilots 3.7 and 3.11, PanDA's server); those
files are written by hand and never made anew.
"""
