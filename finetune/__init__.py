"""Fine-tuning: releases of what is approved, models trained on them, and whether that paid."""

from seedgate.finetune.ablating import Ablation, ArmResult, ablate
from seedgate.finetune.auditing import audit
from seedgate.finetune.comparing import compare
from seedgate.finetune.confusing import confusion, label_figures
from seedgate.finetune.curving import Curve, CurvePoint, Law, curve
from seedgate.finetune.diff_records import ReleaseDiff
from seedgate.finetune.diffing import release_diff
from seedgate.finetune.effects import Effect
from seedgate.finetune.evaluating import evaluate
from seedgate.finetune.exporting import Exported, ExportFormat, export
from seedgate.finetune.figures import (
    Comparison,
    Confused,
    Confusion,
    Evaluation,
    GainOverSeeds,
    Judgement,
    LabelFigures,
    OverSeeds,
    Prediction,
    Secondary,
    Share,
    Unconstrained,
)
from seedgate.finetune.integrity import stated_bound
from seedgate.finetune.promoting import current_model, judged, promote
from seedgate.finetune.recalled import AffectedModel, RecalledRow, affected_models, recalled_rows, redactions
from seedgate.finetune.records import Counts, Manifest, ManifestRow, Omission, Release, TrainedModel
from seedgate.finetune.redacting import Redaction, redact
from seedgate.finetune.releasing import release, release_needed
from seedgate.finetune.repeating import over_seeds
from seedgate.finetune.seeding import models_of, next_seed
from seedgate.finetune.stopping import AnotherBatch, CycleYield, LearningStep, another_batch
from seedgate.finetune.training import merge, train, trained_model
from seedgate.finetune.verifying import verify_release
from seedgate.finetune.writers import newest_writer, writer_needed

__all__ = [
    "Ablation",
    "AffectedModel",
    "AnotherBatch",
    "ArmResult",
    "Comparison",
    "Confused",
    "Confusion",
    "Counts",
    "Curve",
    "CurvePoint",
    "CycleYield",
    "Effect",
    "Evaluation",
    "ExportFormat",
    "Exported",
    "GainOverSeeds",
    "Judgement",
    "LabelFigures",
    "Law",
    "LearningStep",
    "Manifest",
    "ManifestRow",
    "Omission",
    "OverSeeds",
    "Prediction",
    "RecalledRow",
    "Redaction",
    "Release",
    "ReleaseDiff",
    "Secondary",
    "Share",
    "TrainedModel",
    "Unconstrained",
    "ablate",
    "affected_models",
    "another_batch",
    "audit",
    "compare",
    "confusion",
    "current_model",
    "curve",
    "evaluate",
    "export",
    "judged",
    "label_figures",
    "merge",
    "models_of",
    "newest_writer",
    "next_seed",
    "over_seeds",
    "promote",
    "recalled_rows",
    "redact",
    "redactions",
    "release",
    "release_diff",
    "release_needed",
    "stated_bound",
    "train",
    "trained_model",
    "verify_release",
    "writer_needed",
]
