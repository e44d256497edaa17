"""Clean-up: what of a task may leave its disks once it lies on tape, what is asked for, and what has become of that."""
