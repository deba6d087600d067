"""Clients: the ways to reach a model that completes prompts, behind one small Protocol."""
