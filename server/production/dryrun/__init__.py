"""What a definition would do, said before anything is written: jobs, files, sizes, merges, tapes, conflicts, time."""
