"""Contracts to inherit: every implementation of one thing passes the same tests."""
