"""Proxies, tokens and keys that pilots ask for, and secrets of users' jobs: sealed, renewed, handed out by rules."""
