"""Allocation: how many requests each strategy and each label gets, learnt from what review decided."""

from seedgate.generator.allocation.allocating import LEAST, allocate
from seedgate.generator.allocation.facts import Decided
from seedgate.generator.allocation.told import Allocation, LabelShare, StrategyShare

__all__ = ["LEAST", "Allocation", "Decided", "LabelShare", "StrategyShare", "allocate"]
