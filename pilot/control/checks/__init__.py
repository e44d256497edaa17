"""What may end a running job from outside, one small module per check: what was read and remembered in, a verdict out.

A check decides and reads nothing itself: every reading is taken once per look, for all checks that are due
(`checks.readings`). Which checks there are stands in `checks.catalogue`.
"""
