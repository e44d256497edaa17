"""Datasets, files and where they lie; what is asked of storages, and the jobs that wait for files."""
