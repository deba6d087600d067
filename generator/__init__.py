"""Generation: prompts, strategies, vLLM clients and filters, as one stream from the seeds to the ledger."""

from seedgate.generator.filters.base import Drop
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.reading import candidates, funnel
from seedgate.generator.report import GenerationReport
from seedgate.generator.run import generate

__all__ = ["Drop", "FilterChain", "GenerationReport", "candidates", "funnel", "generate"]
