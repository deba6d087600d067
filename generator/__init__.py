"""Generation: prompts, strategies, vLLM clients and filters, as one stream from the seeds to the ledger."""

from seedgate.generator.filters.base import Drop
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.reading import candidates, funnel, strategy_of
from seedgate.generator.replaying import ReplayReport, replay
from seedgate.generator.report import GenerationReport
from seedgate.generator.run import generate
from seedgate.generator.strategies.asking import Ask, Context, Group, Rejected, Reviewed
from seedgate.generator.templating import TEMPLATES, Templates

__all__ = [
    "TEMPLATES",
    "Ask",
    "Context",
    "Drop",
    "FilterChain",
    "GenerationReport",
    "Group",
    "Rejected",
    "ReplayReport",
    "Reviewed",
    "Templates",
    "candidates",
    "funnel",
    "generate",
    "replay",
    "strategy_of",
]
