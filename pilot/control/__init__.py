"""The threaded agent: one thread owns all jobs, the others carry out."""
