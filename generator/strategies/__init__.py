"""Strategies: what to ask for next, one file each."""
