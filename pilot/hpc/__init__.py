"""Many payloads in one batch allocation: the mode for supercomputers."""
