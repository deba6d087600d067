"""Generation: prompts, strategies, vLLM clients and filters, as one stream from the seeds to the ledger."""

from seedgate.generator.allocation import Allocation, Decided, LabelShare, StrategyShare
from seedgate.generator.filters.base import Drop
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.reading import candidates, funnel, strategy_of
from seedgate.generator.replaying import ReplayReport, replay
from seedgate.generator.report import GenerationReport
from seedgate.generator.run import explain, generate
from seedgate.generator.strategies.asking import Ask, Context, Group, Rejected, Reviewed
from seedgate.generator.templating import TEMPLATES, Templates

__all__ = [
    "TEMPLATES",
    "Allocation",
    "Ask",
    "Context",
    "Decided",
    "Drop",
    "FilterChain",
    "GenerationReport",
    "Group",
    "LabelShare",
    "Rejected",
    "ReplayReport",
    "Reviewed",
    "StrategyShare",
    "Templates",
    "candidates",
    "explain",
    "funnel",
    "generate",
    "replay",
    "strategy_of",
]
