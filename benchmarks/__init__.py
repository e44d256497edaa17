"""Measurements of the whole system, each beside what the bare machine needs for the same; one command each."""
