"""The vocabulary of the ledger: every kind of event, what its subject is and what its payload says.

Payload fields named `*_hash` or `body` are content hashes of bodies or files. Times inside payloads are
ISO 8601 in UTC; the event's own `at` is when it was appended.
"""

from __future__ import annotations

__all__ = ["KINDS"]

KINDS: dict[str, str] = {
    "workspace.created": "workspace name: {task_hash, simulated_reviewer|null, policy}; the first event",
    "seed.added": "example id: {tags, source, edited_from}; body: its fields",
    "seed.verified": "example id: {method: sign-off|argilla, by, statement, at} and, of argilla, {verdicts, rounds,"
    " guideline_hash, quorum}",
    "seed.withdrawn": "example id: {by, at, reason}; left the file before a later sign-off, or its verdict changed",
    "eval.locked": "hash of the sorted ids: {ids, file_hash, count, semantic, without}; semantic: model and threshold"
    " of meaning, of the first; without: rows redacted from it",
    "cycle.started": "cycle number: {target, simulated}; again, if another target is wanted before a model was asked",
    "cycle.finished": "cycle number: {release, model, summary}",
    "generation.allocated": "cycle number: {how: learnt|configured, why, configured, shares, weights: {strategy:"
    " {label: number}}, strategies, labels, facts}; from the cycle's first run on; appended with its start",
    "run.started": "run id: {cycle, settings, seed_set_hash}; settings have the strategies, and template to its hash",
    "run.finished": "run id: {cycle, requests, candidates, dropped, seconds}; only of a run that ended by itself",
    "request.completed": "request id: {run, cycle, index, strategy, form, fixed, seed_ids, tags, prompt_hash,"
    " sampling, usage, completions, raw_hash}; of a repair also {repairs: candidate id}; where not all seeds are shown,"
    " {drawn: how many, the last ones, are not}; bodies: prompt, completions as returned",
    "candidate.created": "example id: Candidate without the fields; body: the fields",
    "candidate.dropped": "request id: {cycle, filter, reason, detail, request_id, choice, item}; or, of an edit,"
    " example id: {filter, reason, edited_from, response_id}",
    "candidate.replayed": "example id: {cycle, request_id, choice, item, filter, reason}; what had dropped it before"
    " the stored completion was parsed and filtered again",
    "candidate.scored": "example id: {scorer, version, model, template, score}; what a scorer found by asking the"
    " model; template: hash of its own, or empty; no score: it had nothing to say",
    "candidate.unscored": "example id: {scorer, version, model, template, attempt}; the model failed to answer about it"
    " while it answered about others, for the so-manieth run",
    "round.opened": "round id: {round: Round, assignments: [Assignment]}; bodies: guidelines, texts shown",
    "round.scored": "round id: {order, value, scorers: {name: version}, scores: {candidate id: {scorer: number}},"
    " values: {candidate id: number}}; what the order rested on, and how values were made; appended with its round",
    "rereview.drawn": "round id: {seed, joined, rows: [candidate id]}; approved rows drawn for a second look, in order;"
    " body of joined: the rows that could be drawn from here on",
    "control.made": "record id: {candidate_id, truth: good|bad, corruption, sources, reviewer, round}; bodies: its"
    " fields and the texts shown; appended with its round",
    "control.voided": "record id: {by, statement}; it says nothing about its reviewer any more",
    "record.pushed": "record id: {round, candidate_id, reviewer, dataset_id}",
    "round.pushed": "round id: {datasets: {reviewer: dataset_id}, users: {reviewer: user_id}, pusher, records}",
    "verdict.recorded": "candidate id: Verdict; bodies: corrected fields, comment",
    "verdict.changed": "candidate id: {response_id, was, now}; a submitted response changed or was taken back",
    "record.skipped": "record id: {round, candidate_id, reviewer, response_id}; the reviewer discarded it",
    "review.anomaly": "round or record id: {what, round, reviewer, record_id, detail}; reported, voids nothing",
    "guidelines.compatible": "guideline hash: {with, by, statement}",
    "docket.opened": "docket id: {docket: Docket, cases: [Case]}; bodies: guidelines, texts shown",
    "docket.pushed": "docket id: {dataset_id, user_id, pusher, records}",
    "adjudication.recorded": "candidate id: Adjudication; body: comment",
    "adjudication.changed": "candidate id: {response_id, was, now}; an answer in Argilla changed or was taken back",
    "quarantine.started": "reviewer: {since, why, evidence: [record id], policy}; since: number of the event after"
    " which the measured window began",
    "quarantine.ended": "reviewer: {by, statement, stand}; stand: its approvals count after all; a new window begins",
    "release.created": "release name: {manifest_hash, content_hash, rows, counts, head, ids}; body of ids: candidates",
    "row.recalled": "example id: {release, reason, why: verdict changed|adjudicated wrong|redacted}",
    "row.reopened": "example id: {by, reason}; a recalled row goes before reviewers anew, earlier answers are void",
    "body.redacted": "example id asked for: {rows, hashes, by, reason}; the bodies of these hashes are gone",
    "release.withdrawn": "release name: {rows, files, reason}; these files of it are gone, they held the rows",
    "model.checkpointed": "model name: {step, manifest_hash, settings, files}; where its training goes on after a kill",
    "model.trained": "model name: {release, manifest_hash, base_model, settings, path, weights, metrics, files}",
    "model.merged": "model name: {files}; base model and adapter in one folder",
    "model.evaluated": "model name or base: Evaluation without the name, interval, settings; bodies: predictions",
    "ablation.scored": "arm: {eval_hash, rows, rows_hash, seed, steps, settings, scores, seconds}; a student that was"
    " trained on rows, approved or not, measured on the locked set and thrown away",
    "ablation.measured": "release name: Ablation without the name, eval_hash; whether the gate paid",
    "curve.measured": "release name: Curve without the name, eval_hash; what further rows would bring",
    "model.judged": "model name: Judgement without the name; better: it is the current model from here on",
}
"""Kind of event to what its subject and payload are."""
