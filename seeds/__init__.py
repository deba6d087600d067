"""Seeds: what an example is, reading, checking, verifying them, and the evaluation lock."""

from seedgate.seeds.checking import check
from seedgate.seeds.columns import column_values, json_values
from seedgate.seeds.content import output_of, text_of
from seedgate.seeds.creation import create_workspace, example_workspace, rehearse_workspace
from seedgate.seeds.embedding import Embedder, open_embedder
from seedgate.seeds.findings import CheckReport, Finding
from seedgate.seeds.leakage import Leak, LeakCheck, SemanticBound, locked_bound
from seedgate.seeds.locking import LockReport, evaluation_set, lock, set_hash, standing_lock
from seedgate.seeds.meaning import Meanings
from seedgate.seeds.meaning_index import MeaningIndex
from seedgate.seeds.near import NearIndex
from seedgate.seeds.personal import personal_data, personal_habits
from seedgate.seeds.power import smallest_difference
from seedgate.seeds.reading import ColumnUse, Progress, column_uses, read_baseline, read_examples
from seedgate.seeds.signoff import added, candidate_index, seed_rows, verify
from seedgate.seeds.verified import Baseline, baseline, verified_seeds
from seedgate.seeds.workspace_checking import check_workspace

__all__ = [
    "Baseline",
    "CheckReport",
    "ColumnUse",
    "Embedder",
    "Finding",
    "Leak",
    "LeakCheck",
    "LockReport",
    "MeaningIndex",
    "Meanings",
    "NearIndex",
    "Progress",
    "SemanticBound",
    "added",
    "baseline",
    "candidate_index",
    "check",
    "check_workspace",
    "column_uses",
    "column_values",
    "create_workspace",
    "evaluation_set",
    "example_workspace",
    "json_values",
    "lock",
    "locked_bound",
    "open_embedder",
    "output_of",
    "personal_data",
    "personal_habits",
    "read_baseline",
    "read_examples",
    "rehearse_workspace",
    "seed_rows",
    "set_hash",
    "smallest_difference",
    "standing_lock",
    "text_of",
    "verified_seeds",
    "verify",
]
