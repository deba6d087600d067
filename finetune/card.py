"""The cards: what a stranger who finds the folder must know, in the format of the Hugging Face hub.

Cards hold names, counts and hashes; never text of a row, which nobody should read as Markdown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from seedgate.config import ReleaseConfig
from seedgate.finetune.records import TrainedModel, is_writer
from seedgate.finetune.rows import Selection
from seedgate.finetune.table import COLUMNS, column_names, dataset_info
from seedgate.review.release_bound import ErrorBound
from seedgate.task import Task

__all__ = ["dataset_card", "model_card"]

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))


def dataset_card(
    task: Task,
    name: str,
    chosen: Selection,
    table: bytes,
    *,
    stated: ReleaseConfig | None = None,
    recalled: Mapping[str, int] | None = None,
) -> str:
    """`README.md` of a release; its front matter makes `datasets.load_dataset` read the Parquet file only.

    Args:
        table: `train.parquet`, as it is written.
        stated: Licence and languages, as far as the owner names them.
        recalled: What recalled or redacted rows since the release before, and how many.
    """
    counts, stated = chosen.counts, stated or ReleaseConfig()
    tags = ["seedgate", "synthetic"]
    tags.append("simulated-review" if counts.approved_simulated else "human-reviewed")
    size = next((label for limit, label in _SIZES if counts.rows < limit), "n>1M")
    head = {
        "pretty_name": f"{task.name} {name}",
        **({"license": stated.license} if stated.license else {}),
        **({"language": list(stated.languages)} if stated.languages else {}),
        "tags": tags,
        "task_categories": ["text-classification" if task.choices else "text-generation"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
        "dataset_info": dataset_info(task, table),
    }
    parts = [
        f"# {task.name}, release {name}",
        "Training data made with seedgate: verified seeds, and generated rows that passed review one by one."
        " No row was let in by a filter, a score or a model.",
        _warning(chosen),
        "## What it is for",
        _use(task),
        "## Rows",
        _table({"kind": "rows"}, _kinds(chosen)),
        _by_label(task, chosen),
        "## Splits",
        _splits(chosen),
        "## How they were reviewed",
        _review(chosen),
        _leaks(chosen),
        _recalled(recalled or {}),
        _errors(chosen),
        "## Limits",
        _limits(chosen),
        "## Licence",
        _licence(task, chosen, stated.license),
        "## Columns",
        _table({"column": "meaning"}, _columns(task)),
        "## Checking it",
        "`manifest.json` lists every row with its hash, the Argilla responses it rests on and the version of"
        " the guidelines, and every file with its hash. `seedgate audit` recomputes all of it from the ledger"
        f" up to event {chosen.head[0]}, whose hash is `{chosen.head[1]}`.",
    ]
    return _front_matter(head) + "\n\n".join(part for part in parts if part) + "\n"


def model_card(model: TrainedModel) -> str:
    """`README.md` of a trained model."""
    head: dict[str, Any] = {"tags": ["seedgate", "lora" if model.weights == "adapter" else "sft"]}
    if re.fullmatch(r"[\w-]+/[\w.-]+", model.base_model):  # a name on the hub, not a folder of one machine
        head["base_model"] = model.base_model
    if model.weights == "adapter":
        head["library_name"] = "peft"
    facts = {
        "base model": f"`{_plain(model.base_model)}`",
        "release": f"{model.release}, manifest `{model.manifest_hash}`",
        "ledger head of the release": f"`{model.ledger_head}`",
        "weights": f"`{model.weights}/`",
    }
    shown = {key: f"`{_plain(json.dumps(value))}`" for key, value in model.settings.items()}
    metrics = {key: _plain(str(value)) for key, value in model.metrics.items()}
    parts = [
        f"# {model.name}",
        "Fine-tuned with seedgate (TRL's SFTTrainer, loss on completions only) on a release that verified"
        " against its ledger.",
        *(["It writes examples, for seedgate's strategy `writer`."] if is_writer(model.settings) else []),
        _table({"what": "which"}, facts),
        "## Settings",
        _table({"setting": "value"}, shown),
        "## Training",
        _table({"figure": "value"}, metrics),
    ]
    return _front_matter(head) + "\n\n".join(parts) + "\n"


def _warning(chosen: Selection) -> str:
    simulated = chosen.counts.approved_simulated
    if not simulated:
        return ""
    return (
        f"**{simulated} of the {chosen.counts.approved} approved rows were approved by a program that stands"
        " in for a reviewer (`simulated` is true). No person has read them. Leave them out of anything real.**"
    )


def _use(task: Task) -> str:
    return (
        f"Fine-tuning a model for one task, `{_plain(task.name)}`: from {_names(f.name for f in task.inputs)} to"
        f" {_names(f.name for f in task.outputs)}. Not for measuring one: the evaluation split is kept apart (below)."
        " Not for another task, or for other readers than the guidelines speak of: nobody approved the rows for that."
    )


def _limits(chosen: Selection) -> str:
    lines = [
        "- The rows are a choice, not a sample of what occurs: seeds were picked by people, and the counts above follow"
        " what was asked of the model and what passed review.",
    ]
    if chosen.counts.approved:
        lines += [
            "- Generated rows have the habits, gaps and prejudices of the models that wrote them. A reviewer judged"
            " each by itself, so what is missing, or repeats itself across rows, nobody was asked about.",
            "- Approved means approved under the guidelines named above, not true: read how many may be wrong.",
        ]
    lines.append(
        "- Filters look for personal data by its form (addresses, numbers); names and stories they don't know."
    )
    return "\n".join(lines)


def _licence(task: Task, chosen: Selection, named: str) -> str:
    said = (
        f"`{named}`, as the owner of this data states."
        if named
        else "None is stated. Until the owner names one (`[release] license`), nobody else may use or pass it on."
    )
    column = column_names(task)["generated_by"]
    models = sorted({str(row[column]) for row in chosen.values if row.get(column)})
    if models:
        said += (
            f" Rows were written by {_names(models)}, whose terms may say what their output can be used for."
        )
    return said


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{_plain(name)}`" for name in names)


def _kinds(chosen: Selection) -> dict[str, str]:
    c = chosen.counts
    return {
        "verified seeds": str(c.seeds),
        "of them vouched for by a signed-off import, not reviewed in Argilla": str(c.vouched),
        "approved by people": str(c.approved_human),
        "approved by the SIMULATED reviewer": str(c.approved_simulated),
        "of the approved, corrected by a reviewer": str(c.edited),
        "in all": str(c.rows),
    }


def _by_label(task: Task, chosen: Selection) -> str:
    label = task.label_field
    if label is None:
        return ""
    counts = Counter(str(row[label.name]) for row in chosen.values)
    return _table({label.name: "rows"}, {f"`{_plain(each)}`": str(counts[each]) for each in label.labels})


def _splits(chosen: Selection) -> str:
    return (
        f"One: `train`, all {chosen.counts.rows} rows. The evaluation split is not in this folder, by design. Its"
        f" {chosen.eval_rows} rows are `eval.jsonl` of the workspace that this release comes from, locked before"
        f" anything was generated (hash of the set: `{chosen.eval_hash}`); `seedgate eval` measures on them."
        " Published beside the training rows they would soon be trained on, and measure nothing."
    )


def _review(chosen: Selection) -> str:
    approved = [row for row in chosen.rows if row.origin == "approved"]
    vouched = sorted({row.vouched_by for row in chosen.rows if row.vouched_by})
    lines = []
    if vouched:
        names = ", ".join(f"`{_plain(name)}`" for name in vouched)
        lines.append(f"- Seeds marked as vouched were signed off by {names} before anything was generated.")
    if not approved:
        return "\n".join([*lines, "- This release is the baseline: it holds no generated row."])
    people = sorted({name for row in approved for name in row.approvers})
    quorums = sorted({row.quorum for row in approved if row.quorum})
    hashes = sorted({row.guideline_hash for row in approved if row.guideline_hash})
    lines += [
        "- Each generated row was shown in Argilla as it stands here, and approved exactly so; a row that a"
        " reviewer corrected is in with the correction.",
        f"- Reviewers: {', '.join(f'`{_plain(name)}`' for name in people)}.",
        f"- Approvals needed for a row: {' or '.join(map(str, quorums))}.",
        f"- Guidelines, by SHA-256: {', '.join(f'`{each}`' for each in hashes)}.",
    ]
    return "\n".join(lines)


def _leaks(chosen: Selection) -> str:
    bound = chosen.semantic
    if bound is None:
        return ""
    chosen_by = "named in the policy" if bound.chosen == "policy" else "measured on the set before generation"
    return (
        "- No row equals a row of the locked evaluation set, nearly equals one in letters, or means the same: cosine"
        f" below {bound.threshold:.3f} ({chosen_by}; `{_plain(bound.model)}`)."
    )


def _recalled(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    rows = {what: str(n) for what, n in counts.items()}
    return (
        "## Recalled since the release before\n\n"
        "These rows are not in this release. Do not train on earlier ones, which may hold them.\n\n"
        + _table({"why": "rows"}, rows)
    )


def _errors(chosen: Selection) -> str:
    bound = chosen.error_bound
    if bound is None:
        return ""
    lines = ["## How many rows may be wrong"]
    if bound.why_none:
        lines.append(f"Not known: {bound.why_none}.")
    else:
        lines.append(
            f"At most {bound.wrong} of the {bound.rows} generated rows ({bound.share:.1%}), with {bound.confidence:.0%}"
            " confidence whenever the ledger is looked at: from a blind second look at a random sample, with"
            " allowance for what the second reviewer overlooks. Verified seeds are not counted."
        )
    lines.append(_table({"figure": "value"}, _error_figures(bound)))
    return "\n\n".join(lines)


def _error_figures(bound: ErrorBound) -> dict[str, str]:
    figures = {
        "rows looked at again": f"{bound.judged} of {bound.drawn} drawn",
        "of these found wrong, or skipped": f"{bound.found}, of which {bound.removed} are not in this release",
        "bound if the second reviewer overlooked nothing": str(bound.if_none_missed),
        "bound if real errors are overlooked twice as often as controls": str(bound.if_twice_as_hard),
    }
    for each in bound.rereviewers:
        said = f"{each.rows} rows; caught {each.caught} of {each.bad_controls} known-bad controls"
        figures[f"second reviewer `{_plain(each.name)}`"] = said
    if bound.voided:
        figures["controls that an adjudicator declared void"] = str(bound.voided)
    for reviewer, by, stand in bound.lifted:
        said = (
            "what was approved in it counts after all" if stand else "what was approved in it stays set aside"
        )
        figures[f"quarantine of `{_plain(reviewer)}`"] = f"ended by `{_plain(by)}`; {said}"
    if bound.modelled:
        mean, upper = bound.modelled
        figures["model-based estimate from controls and approval rates, no bound"] = (
            f"{mean:.1%}, 95 % quantile {upper:.1%}"
        )
    return figures


def _columns(task: Task) -> dict[str, str]:
    fields = {f"`{field.name}`": f"{field.role}, {field.type}" for field in task.fields}
    names = column_names(task)
    return fields | {f"`{names[column]}`": meaning for column, meaning in COLUMNS.items()}


def _front_matter(head: Mapping[str, Any]) -> str:
    # JSON is YAML, and its quoting leaves nothing to guess.
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items())
    return "\n".join(["---", *lines, "---", "", ""])


def _table(headers: Mapping[str, str], rows: Mapping[str, str]) -> str:
    ((left, right),) = headers.items()
    lines = [f"| {left} | {right} |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A name that somebody chose, with nothing in it that Markdown would act on inside a code span."""
    return re.sub(r"[`|<>\s]+", " ", text).strip()[:200]
