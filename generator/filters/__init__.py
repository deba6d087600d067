"""Filters: one file per question that an item must answer before it may become a candidate."""
