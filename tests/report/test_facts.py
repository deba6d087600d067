"""The report's facts: what they count, what they leave out, and that all of them are plain JSON."""

from __future__ import annotations

import json

import pytest

from seedgate.canonical import content_hash
from seedgate.cli.overview import overview, text_of
from seedgate.ledger import NewEvent
from seedgate.report import report_facts
from seedgate.report.effort import effort
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing, example

STANDING = (
    "workspace cycle running simulated_reviewer funnel strategies outcomes approved_simulated why scores judge releases"
    " recalled affected_models evaluations comparisons current_model another_batch"
)


def test_they_are_plain_json_that_has_all_that_status_has(told: Workspace) -> None:
    facts = report_facts(told)
    assert json.loads(json.dumps(facts)) == facts
    standing = overview(told).data
    assert set(STANDING.split()) <= standing.keys() <= facts.keys()
    assert {key: facts[key] for key in STANDING.split() if key != "evaluations"} == {
        key: standing[key] for key in STANDING.split() if key != "evaluations"
    }


def test_each_candidate_is_counted_once_however_it_was_approved(told: Workspace) -> None:
    facts = report_facts(told)
    counts = {"approved": 3, "edited": 1, "rejected": 2, "open": 2}
    assert facts["approvals"]["cycle"] == {"1": counts}
    assert facts["approvals"]["strategy"] == {"few_shot": counts}
    by_label = facts["approvals"]["label"]
    assert by_label["billing"] == {"approved": 1, "edited": 1, "rejected": 0, "open": 1}
    assert {group: sum(each[group] for each in by_label.values()) for group in counts} == counts
    assert facts["outcomes"]["approved"] == facts["headline"]["approved"] == 4


def test_reasons_are_those_of_standing_verdicts(told: Workspace) -> None:
    assert report_facts(told)["rejections"] == {"off_topic": 2, "unnatural": 1}
    rejected = next(e for e in told.ledger.events("verdict.recorded") if e.payload["decision"] == "reject")
    changed = {"response_id": rejected.payload["response_id"], "was": "reject", "now": None}
    told.ledger.append([NewEvent("verdict.changed", rejected.subject, changed)])
    assert report_facts(told)["rejections"] == {"unnatural": 1, "off_topic": 1}


def test_what_reviewers_say_about_controls_is_no_reason_for_anything(reviewing: Reviewing) -> None:
    (id_,) = reviewing.candidates(1)
    reviewing.verdicts({id_: "reject"}, reasons=("off_topic",))
    (verdict,) = reviewing.ws.ledger.events("verdict.recorded")
    made = {"candidate_id": id_, "reviewer": "reviewer", "truth": "bad", "corruption": "label", "sources": []}
    reviewing.ws.ledger.append([NewEvent("control.made", verdict.payload["record_id"], made)])
    assert report_facts(reviewing.ws)["rejections"] == {}


def test_reasons_that_differ_in_ids_are_one_kind(reviewing: Reviewing) -> None:
    ids = reviewing.candidates(4)
    for number, id_ in enumerate(ids[:2]):
        reviewing.edit(id_, example(f"Another text, and no. {number} of its kind.", "billing"))
    kinds = report_facts(reviewing.ws)["why_kinds"]
    assert {"outcome": "rejected", "reason": "edited by reviewer into ...", "rows": 2} in kinds


def test_coverage_is_of_the_seeds_and_of_what_is_approved(told: Workspace) -> None:
    coverage = report_facts(told)["coverage"]
    assert {row["name"]: (row["seeds"], row["approved"]) for row in coverage["labels"]} == {
        "account": (4, 1),
        "delivery": (4, 1),
        "billing": (4, 2),
    }
    totals = [row["seeds"] + row["approved"] for row in coverage["labels"]]
    assert totals == sorted(totals)
    assert coverage["tags"] == [{"name": "core", "seeds": 0, "approved": 4}]


class TestTime:
    def test_it_is_what_the_ledger_says_and_what_is_unknown_counts_as_the_median(
        self, told: Workspace
    ) -> None:
        time = report_facts(told)["time"]
        assert time["curation"] == {
            "seconds": 3 * 10.0 + 30.0 + 2 * 10.0,
            "measured": 4,
            "unknown": 2,
            "median": 10.0,
            "simulated": 0,
            "seeds": {"seconds": 0, "submissions": 0},
            "adjudication": {"seconds": 0, "submissions": 0, "shell": 0},
        }
        assert time["generation"] == {"seconds": 100.0, "runs": 1, "without": 1}
        assert (time["training"]["seconds"], time["evaluation"]["seconds"]) == (60.0, 60.0)
        assert time["share"] == pytest.approx(80 / 300)
        assert "27%" in time["said"]
        assert "less than the 60-70%" in time["said"]

    def test_students_adjudicators_and_seeds_are_counted_where_they_left_a_time(
        self, told: Workspace
    ) -> None:
        def settled(at: str | None, by: str = "judge") -> NewEvent:
            answer = None if at is None else {"submitted_at": f"2026-01-02T10:{at}+00:00"}
            return NewEvent("adjudication.recorded", "0" * 64, {"by": by, "answer": answer})

        scored = {"eval_hash": "e", "rows_hash": "r", "seed": 0, "scores": []}
        before = report_facts(told)["time"]
        told.ledger.append(
            [
                settled("00:00"),
                settled("00:40"),
                settled("02:00"),
                settled(None),
                NewEvent("ablation.scored", "gated", {**scored, "seconds": 12.5}, "a"),
                NewEvent("ablation.scored", "seeds", scored, "b"),
                NewEvent("round.opened", "s", {"round": {"id": "s", "purpose": "seeds"}, "assignments": []}),
                NewEvent(
                    "verdict.recorded",
                    "1" * 64,
                    {"response_id": "x", "reviewer": "ana", "round": "s", "pace_s": 10.0},
                ),
            ]
        )
        time = effort(told)["time"]
        # The first of a sitting counts as the median of 40 and 80 seconds.
        assert time["curation"]["adjudication"] == {"seconds": 180.0, "submissions": 3, "shell": 1}
        assert time["curation"]["seeds"] == {"seconds": 10.0, "submissions": 1}
        assert time["curation"]["seconds"] == before["curation"]["seconds"] + 180 + 10
        assert time["students"] == {"seconds": 12.5, "measured": 1, "without": 1}
        assert time["share"] == pytest.approx(270 / (300 + 180 + 10 + 12.5))
        assert time["missing"] == [
            "People: writing seeds and guidelines, and reading them, leave no time behind.",
            "People: 12 seeds were signed off without being timed.",
            "People: 1 cases were settled on the shell, without a time.",
            "Machines: 1 runs did not end by themselves and left no time.",
            "Machines: 1 students of `ablate` and `curve` have no time on record.",
        ]

    def test_minutes_per_approved_row_are_of_people(self, told: Workspace) -> None:
        assert report_facts(told)["headline"]["minutes_per_approved"] == pytest.approx(80 / 60 / 4)

    def test_what_a_program_answers_is_no_ones_time(self, reviewing: Reviewing) -> None:
        reviewing.approve(*reviewing.candidates(2), simulated=True, pace_s=5.0)
        time = report_facts(reviewing.ws)["time"]
        assert (time["curation"]["seconds"], time["curation"]["simulated"]) == (0.0, 2)
        assert time["share"] is None
        assert "cannot be told" in time["said"]


class TestSamples:
    def test_a_row_has_where_it_comes_from(self, told: Workspace) -> None:
        samples = report_facts(told)["samples"]
        assert [len(samples[outcome]) for outcome in ("approved", "edited", "rejected")] == [3, 1, 2]
        row = samples["approved"][0]
        assert row["releases"] == ["r001"]
        assert row["origin"]["strategy"] == "few_shot"
        assert [(v["reviewer"], v["decision"]) for v in row["verdicts"]] == [("reviewer", "approve")]
        (edited,) = samples["edited"]
        assert edited["original"]["text"] == "Your bill adds tax where none is due."
        assert edited["fields"]["text"].endswith("so please take it off.")
        rejected = samples["rejected"][0]["verdicts"][0]
        assert (rejected["reasons"], rejected["comment"]) == (["off_topic"], "Nobody writes like that.")

    def test_there_are_at_most_five_of_each_and_the_same_every_time(self, reviewing: Reviewing) -> None:
        ids = reviewing.candidates(8)
        reviewing.approve(*ids)
        facts = [report_facts(reviewing.ws)["samples"] for _ in range(2)]
        assert facts[0] == facts[1]
        assert [row["id"] for row in facts[0]["approved"]] == sorted(ids)[:5]

    def test_a_long_text_is_cut_and_says_so(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        said = "no, " * 2000
        reviewing.ws.ledger.append([NewEvent("cycle.finished", "0", {}, bodies=(said,))])
        reviewing.verdicts({id_: "reject"}, comment_hash=content_hash(said))
        (row,) = report_facts(reviewing.ws)["samples"]["rejected"]
        comment = row["verdicts"][0]["comment"]
        assert len(comment) < 4100
        assert comment.endswith("(4000 characters more)")


class TestMeasurements:
    def test_they_stand_at_their_cycle_and_rows(self, told: Workspace) -> None:
        base, model = report_facts(told)["evaluations"]
        assert (base["model"], base["cycle"], base["rows"]) == ("base", None, 0)
        assert (model["model"], model["cycle"], model["rows"], model["approved"]) == ("m-r001", 1, 16, 4)

    def test_the_newest_ablation_and_curve_are_taken_as_they_are(self, told: Workspace) -> None:
        assert report_facts(told)["ablation"] is report_facts(told)["learning_curve"] is None
        shape = {"eval_hash": "0" * 64, "arms": [], "conclusion": "It paid.", "points": [], "new": [1]}
        kinds = ("ablation.measured", "curve.measured")
        told.ledger.append([NewEvent(kind, "r001", shape | {"new": n}) for kind in kinds for n in range(2)])
        facts = report_facts(told)
        for found in (facts["ablation"], facts["learning_curve"]):
            assert found == shape | {"new": 1, "release": "r001", "at": found["at"]}


def test_nothing_is_known_of_an_empty_workspace(tiny_workspace: Workspace) -> None:
    facts = report_facts(tiny_workspace)
    assert facts["headline"] == {
        "approved": 0,
        "approved_simulated": 0,
        "minutes_per_approved": None,
        "error_bound": None,
        "gain": None,
        "gain_over_base": None,
    }
    assert facts["samples"] == {"approved": [], "edited": [], "rejected": []}
    assert "cycle - (none yet)" in text_of(facts)
