"""Attacks by editing what a workspace is told: configuration, guidelines, sets, names, the environment, code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.errors import ConfigError, InputError, RefusedError
from seedgate.finetune import release, verify_release
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Example
from seedgate.review import adjudicate, declare_compatible, pull, push
from seedgate.seeds import Meanings, create_workspace, lock, verify
from seedgate.seeds.vectors import VectorStore
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.attacks.tampering import answer_all, edit_config, faults, released_texts
from tests.conftest import TINY_SEEDS, TINY_TASK, tiny_examples
from tests.finetune.reviewing import TEXTS, Reviewing, example
from tests.review.scenarios import BOX, CARD, PUMP, SILLY, by_text, outcomes

MakeWorkspace = Callable[..., Workspace]


class TestSeeds:
    @attack(
        "generated rows are signed off as seeds after the first generation",
        outcome="refused",
        by="`seeds verify`: sign-off ends with the first run",
    )
    def test_after_generation(self, approved: Workspace) -> None:
        approved.ledger.append([NewEvent("run.started", "run-1", {"cycle": 1})])
        with approved.seeds_path.open("a") as file:
            file.write('{"text": "A generated row, never reviewed.", "label": "billing"}\n')
        with pytest.raises(RefusedError, match="after the first generation"):
            verify(approved, by="Eve", statement="mine")
        assert released_texts(release(approved).path) == [text for text, _ in TEXTS[:4]]

    @attack(
        "a stored candidate, or its like, is signed off as a seed",
        outcome="refused",
        by="`seeds verify`: near a stored candidate",
    )
    def test_a_stored_candidate(self, reviewing: Reviewing) -> None:
        reviewing.candidates(1)
        with reviewing.ws.seeds_path.open("a") as file:
            file.write('{"text": "no sign of my order since the weekend!", "label": "delivery"}\n')
        with pytest.raises(RefusedError, match="like the generated candidate"):
            verify(reviewing.ws, by="Eve", statement="mine")

    @attack(
        "rows are added to seeds.jsonl after the sign-off",
        outcome="refused",
        by="G1: the seeds are the ledger's, not the file's",
    )
    def test_the_file(self, tiny_workspace: Workspace) -> None:
        with tiny_workspace.seeds_path.open("a") as file:
            file.write('{"text": "A row that nobody vouched for.", "label": "billing"}\n')
        assert release(tiny_workspace).counts.rows == 12

    @attack(
        "rows generated elsewhere are vouched for as seeds before the first generation",
        outcome="documented",
        by="manifest and card, which name who vouched for each row and when",
    )
    def test_laundered_before(self, make_workspace: MakeWorkspace) -> None:
        rows = [
            *tiny_examples(TINY_SEEDS, "seeds.jsonl"),
            example("Generated on another machine.", "billing"),
        ]
        made = release(make_workspace(seeds=rows))
        assert made.counts.vouched == 13
        assert "An Expert" in (made.path / "README.md").read_text()

    @attack(
        "a sign-off is appended to the ledger by hand after generation",
        outcome="refused",
        by="G1: a sign-off counts only before the first run; `audit`",
    )
    def test_appended(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        ledger = reviewing.ws.ledger
        ledger.append([NewEvent("run.started", "run-1", {"cycle": 1})])
        payload = {"method": "sign-off", "by": "An Expert", "statement": "I read it", "at": "2026-01-01"}
        added = {"tags": [], "source": "seeds.jsonl:13"}
        ledger.append([NewEvent("seed.added", id_, added), NewEvent("seed.verified", id_, payload)])
        assert release(reviewing.ws).counts.rows == 12


class TestEvaluation:
    @attack(
        "the evaluation set is swapped for an easy one", outcome="refused", by="G7: the locked hash; `audit`"
    )
    def test_swapped(self, approved: Workspace) -> None:
        made = release(approved)
        approved.eval_path.write_text('{"text": "Easy?", "label": "billing"}\n')
        with pytest.raises(RefusedError, match="not what was locked"):
            verify_release(approved, made.name)
        assert any("not what was locked" in fault for fault in faults(approved))

    @attack(
        "a second, smaller evaluation set is locked over the first",
        outcome="refused",
        by="the first lock counts; `audit` names the second",
    )
    def test_locked_again(self, approved: Workspace) -> None:
        from seedgate.seeds.locking import set_hash

        approved.eval_path.write_text('{"text": "Easy?", "label": "billing"}\n')
        with pytest.raises(RefusedError):
            lock(approved)
        id_ = Example(fields={"text": "Easy?", "label": "billing"}).id
        approved.ledger.append(
            [NewEvent("eval.locked", set_hash([id_]), {"ids": [id_], "file_hash": "", "count": 1})]
        )
        with pytest.raises(RefusedError, match="not what was locked"):
            release(approved)
        assert any("it can happen only once" in fault for fault in faults(approved))

    @attack(
        "an evaluation row is approved into the training set with other spaces and capitals",
        outcome="refused",
        by="G7: compared folded, near-duplicates too",
    )
    def test_a_leak_in_disguise(self, reviewing: Reviewing) -> None:
        rows = [
            "WHEN will  the teapot get here?",
            "When will the teapot get here?!",
            "When\u00a0will the teapot get here?",
        ]
        for text in rows:
            reviewing.approve(reviewing.candidate(example(text, "billing")))
        assert release(reviewing.ws).counts.approved == 0

    @attack(
        "an evaluation row is approved into the training set in other words",
        outcome="refused",
        by="G7: compared in meaning, from a cosine that the lock fixed",
    )
    def test_a_paraphrased_evaluation_row(self, reviewing: Reviewing) -> None:
        reviewing.approve(reviewing.candidate(example("What time is the teapot arriving?", "billing")))
        reviewing.approve(
            reviewing.candidate(example("Please tell me why my statement has an extra fee.", "billing"))
        )
        assert release(reviewing.ws).counts.approved == 0

    @attack(
        "an edit turns a sound candidate into an evaluation row in other words",
        outcome="refused",
        by="G7: asked again at the release, whatever the filters said",
    )
    def test_a_paraphrase_by_edit(self, reviewing: Reviewing) -> None:
        (original,) = reviewing.candidates(1)
        reviewing.edit(original, example("What time is the teapot arriving?", "delivery"))
        made = release(reviewing.ws)
        assert made.counts.approved == 0

    @attack(
        "semantic_leak is named, or the embedding model changed, after the lock, to let paraphrases in",
        outcome="refused",
        by="G7: the lock's threshold counts; another model than the lock's is refused",
    )
    def test_loosened_meaning(self, reviewing: Reviewing) -> None:
        reviewing.approve(reviewing.candidate(example("What time is the teapot arriving?", "billing")))
        with edit_config(reviewing.ws, ("[policy]", "[policy]\nsemantic_leak = 1.0")) as later:
            assert later.config.policy.semantic_leak == 1.0
            assert release(later).counts.approved == 0
        other = ("[embeddings]", '[embeddings]\nmodel = "sentence-transformers:x"')
        with edit_config(reviewing.ws, other) as later, pytest.raises(RefusedError, match="was locked with"):
            release(later)

    @attack(
        "the stored vector of a paraphrase is replaced, so that it seems to mean something else",
        outcome="documented",
        by="whoever can write `.seedgate/` can; a release is checked anew after `embeddings.db` was deleted",
    )
    def test_a_replaced_vector(self, reviewing: Reviewing) -> None:
        id_ = reviewing.candidate(example("What time is the teapot arriving?", "billing"))
        reviewing.approve(id_)
        path = reviewing.ws.state_dir / "embeddings.db"
        space = Meanings.for_workspace(reviewing.ws).space
        VectorStore(path, space).put({id_: np.eye(1, 384, dtype=np.float32)[0]})
        assert release(reviewing.ws).counts.approved == 1
        path.unlink()
        assert release(reviewing.ws).counts.approved == 0

    @attack(
        "near_duplicate is loosened between push and release, to let evaluation rows in",
        outcome="refused",
        by="G7: the stricter of the policy and what `init` recorded",
    )
    def test_a_loosened_policy(self, reviewing: Reviewing) -> None:
        reviewing.approve(reviewing.candidate(example("When will the teapot get here??", "billing")))
        assert release(reviewing.ws).counts.approved == 0
        with edit_config(reviewing.ws, ("[policy]", "[policy]\nnear_duplicate = 1.0")) as later:
            assert later.config.policy.near_duplicate == 1.0
            assert release(later).counts.approved == 0


class TestPolicy:
    def half_approved(self, review_workspace: MakeWorkspace) -> Workspace:
        ws = review_workspace(
            rows={PUMP: "delivery"}, settings={"review": {"quorum": 2, "adjudicator": "zoe"}}
        )
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(PUMP, "approve")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]
        return ws

    @attack(
        "the quorum is lowered between push and release",
        outcome="refused",
        by="G4: the quorum is the round's",
    )
    def test_a_lower_quorum(self, review_workspace: MakeWorkspace) -> None:
        with edit_config(self.half_approved(review_workspace), ("quorum = 2", "quorum = 1")) as later:
            assert outcomes(later, PUMP) == ["pending"]
            assert release(later).counts.approved == 0

    @attack(
        "the missing reviewer is taken off the list, so that nobody is waited for",
        outcome="refused",
        by="G4: fewer approvals than the round asked for",
    )
    def test_one_reviewer_less(self, review_workspace: MakeWorkspace) -> None:
        with edit_config(self.half_approved(review_workspace), ('"ben"', '"cleo"')) as later:
            assert outcomes(later, PUMP) == ["pending"]

    @attack(
        "a reviewer is added to the list after the push, and answers",
        outcome="refused",
        by="G3: the round's list and its assignments",
    )
    def test_one_reviewer_more(self, review_workspace: MakeWorkspace, server: FakeArgilla) -> None:
        ws = self.half_approved(review_workspace)
        mallory = server.add_user("mallory", "annotator", "password-of-mallory")
        server.members += [(workspace["id"], mallory["id"]) for workspace in server.workspaces]
        with Reviewer(ws, "mallory", password="password-of-mallory") as reviewer:
            reviewer.answer(PUMP, "approve")
        with edit_config(ws, ('"ben"', '"ben", "mallory"')) as later:
            pull(later)
            assert outcomes(later, PUMP) == ["pending"]

    @attack(
        "one person is listed twice, in two spellings, to be a quorum of two",
        outcome="refused",
        by="`push`: names that differ only in case",
    )
    def test_two_spellings(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(settings={"review": {"quorum": 2, "reviewers": ["anna", "Anna"]}})
        with pytest.raises(ConfigError, match="two names differ only in case"):
            push(ws, cycle=1)

    @attack(
        "one person is listed twice under two different names, to be a quorum of two",
        outcome="documented",
        by="pace, agreement beyond what two people show, and blind re-review; the list of accounts, read by a person",
    )
    def test_two_names(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows={SILLY: "billing"}, settings={"review": {"quorum": 2}})
        answer_all(ws, "anna", "ben")
        assert outcomes(ws, SILLY) == ["approved"]

    @attack(
        "a reviewer settles their own conflict under their name in capitals, or in full-width letters",
        outcome="refused",
        by="G4: names are compared without case, width and spaces",
    )
    def test_an_adjudicator_in_disguise(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(
            rows={PUMP: "delivery"}, settings={"review": {"quorum": 2, "adjudicator": " ＡNNA"}}
        )
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna, Reviewer(ws, "ben") as ben:
            anna.answer(PUMP, "approve")
            ben.answer(PUMP, "reject")
        pull(ws)
        with pytest.raises(RefusedError, match="one of the reviewers"):
            adjudicate(ws, by_text(ws)[PUMP].candidate_id, by=" ＡNNA", decision="approve")

    @attack(
        "the engineer adjudicates in the adjudicator's name, which no key protects",
        outcome="documented",
        by="the manifest's reason of each such row (settled by NAME), shown to that person",
    )
    def test_in_the_adjudicators_name(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(
            rows={SILLY: "billing"}, settings={"review": {"quorum": 2, "adjudicator": "zoe"}}
        )
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna, Reviewer(ws, "ben") as ben:
            anna.answer(SILLY, "approve")
            ben.answer(SILLY, "reject")
        pull(ws)
        adjudicate(ws, by_text(ws)[SILLY].candidate_id, by="zoe", decision="approve")
        made = release(ws)
        assert "settled by zoe" in (made.path / "manifest.json").read_text()

    @attack(
        "an adjudicator is asked to approve what nobody approved",
        outcome="refused",
        by="G4: only conflicts can be settled",
    )
    def test_an_approval_by_ruling(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(
            rows={SILLY: "billing"}, settings={"review": {"quorum": 2, "adjudicator": "zoe"}}
        )
        with pytest.raises(RefusedError, match="nothing to settle"):
            adjudicate(ws, by_text(ws)[SILLY].candidate_id, by="zoe", decision="approve")

    @attack(
        "old approvals are declared compatible with new guidelines by a reviewer",
        outcome="refused",
        by="G2: only the adjudicator may",
    )
    def test_compatible_by_a_reviewer(self, review_workspace: MakeWorkspace) -> None:
        ws = self.half_approved(review_workspace)
        earlier = ws.guidelines()[1]
        ws.guidelines_path.write_text("Approve less.\n")
        with pytest.raises(RefusedError, match="not this workspace's adjudicator"):
            declare_compatible(ws, earlier, by="anna", statement="the same")

    @attack(
        "guidelines.md is put back to a lenient version for the release, so that its approvals count again",
        outcome="documented",
        by="the guideline hash of each row in the manifest, against that of the newest round",
    )
    def test_guidelines_put_back(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={SILLY: "billing", BOX: "delivery"})
        push(ws, cycle=1)
        lenient, earlier = ws.guidelines()
        with Reviewer(ws, "anna") as anna:
            anna.answer(SILLY, "approve")
        pull(ws)
        ws.guidelines_path.write_text("Approve less.\n")
        push(ws, cycle=1, ahead=True)
        assert outcomes(ws, SILLY) == ["pending"]
        ws.guidelines_path.write_text(lenient)
        manifest = (release(ws).path / "manifest.json").read_text()
        assert earlier in manifest
        newest = ws.ledger.last("round.opened")
        assert newest is not None
        assert newest.payload["round"]["guideline_hash"] != earlier

    @attack(
        "the task's completion template is edited after review, so that other text is trained than was read",
        outcome="documented",
        by="the manifest's task hash, against that of the rounds and of the workspace's first event",
    )
    def test_another_template(self, approved: Workspace) -> None:
        original = approved.task.hash
        with edit_config(
            approved,
            (
                'preset = "classification"',
                'preset = "classification"\ncompletion_template = "billing {label}"',
            ),
        ) as later:
            made = release(later)
            verify_release(later, made.name)
            rows = later.task.training_rows({"text": TEXTS[0][0], "label": "delivery"})
            assert "billing delivery" in str(rows)
            first = next(later.ledger.events("workspace.created"))
            assert first.payload["task_hash"] == original != later.task.hash
            assert later.task.hash in (made.path / "manifest.json").read_text()

    @attack(
        "a simulated reviewer is named after the fact",
        outcome="refused",
        by="G1: the ledger's first event; `audit` names a second one",
    )
    def test_a_program_after_the_fact(self, reviewing: Reviewing) -> None:
        ws = reviewing.ws
        first = next(ws.ledger.events("workspace.created"))
        ws.ledger.append(
            [
                NewEvent(
                    "workspace.created", first.subject, {**first.payload, "simulated_reviewer": "simulated-x"}
                )
            ]
        )
        reviewing.verdicts({reviewing.candidates(1)[0]: "approve"}, reviewer="simulated-x", simulated=True)
        assert ws.simulated_reviewer is None
        assert release(ws).counts.approved == 0
        assert any("it can happen only once" in fault for fault in faults(ws))

    @attack(
        "a program's answers are passed off as a person's",
        outcome="refused",
        by="G3: the round says who is a program",
    )
    def test_a_program_as_a_person(self, make_workspace: MakeWorkspace) -> None:
        reviewing = Reviewing(make_workspace(simulated_reviewer="simulated-sam"))
        (id_,) = reviewing.candidates(1)
        reviewing.approve(id_, reviewer="simulated-sam", simulated=False)
        assert release(reviewing.ws).counts.approved == 0
        reviewing.approve(id_, reviewer="simulated-sam", simulated=True)
        assert release(reviewing.ws).counts.approved_simulated == 1


class TestNames:
    @pytest.mark.parametrize(
        "name", ["../../anna", "anna/../owner", "a b", "аnna", "", ".hidden", "x" * 41, "anna\n"]
    )
    @attack(
        "a reviewer's name leads out of a path, or looks like another's",
        outcome="refused",
        by="reading seedgate.toml, and `push`: letters, digits, '.', '_' and '-'",
    )
    def test_reviewers(self, review_workspace: MakeWorkspace, name: str) -> None:
        with pytest.raises(ConfigError, match=r"use letters|is no name of an account"):
            push(review_workspace(settings={"review": {"reviewers": [name]}}), cycle=1)

    @pytest.mark.parametrize("name", ["../x", "a/b", "Support", "x" * 41, ""])
    @attack(
        "a workspace's name leads out of a path", outcome="refused", by="`init`, and reading seedgate.toml"
    )
    def test_workspaces(self, tmp_path: Path, name: str) -> None:
        with pytest.raises((ConfigError, InputError)):
            create_workspace(
                tmp_path / "new", name=name, task=TINY_TASK, seeds=[], evaluation=[], guidelines="Approve."
            )

    @attack("the task's class is a file outside the workspace", outcome="refused", by="reading seedgate.toml")
    def test_a_class_elsewhere(self, tiny_workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "task.py").write_text("raise SystemExit('ran')")
        config = tiny_workspace.root / "seedgate.toml"
        config.write_text('name = "tiny"\n[task]\nname = "t"\nclass = "../task.py:Ticket"\n')
        with pytest.raises(ConfigError, match="a file inside the workspace"):
            Workspace(tiny_workspace.root)

    @attack(
        "a label is a path or a tag, to lead out of a folder or into the page",
        outcome="refused",
        by="labels are data: never a path, shown escaped, compared letter for letter",
    )
    def test_labels(self, review_workspace: MakeWorkspace) -> None:
        labels = {"../../evil": "a path", "<script>alert(1)</script>": "a tag", "delivery": "a parcel"}
        texts = ("Where is the parcel I ordered?", "You took 40 pounds twice.", "I forgot my password.")
        seeds = [
            Example(fields={"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)
        ]
        ws = review_workspace(
            one_reviewer=True,
            task=TINY_TASK | {"labels": labels},
            seeds=seeds,
            evaluation=[Example(fields={"text": "Quite another thing to measure", "label": "delivery"})],
            rows={PUMP: "../../evil", CARD: "<script>alert(1)</script>"},
            settings={"policy": {"verified_seeds": 3, "min_eval": 1}},
        )
        answer_all(ws, "anna")
        assert outcomes(ws, PUMP, CARD) == ["approved", "approved"]
        made = release(ws)
        assert "<script>" not in (made.path / "README.md").read_text()
        assert verify_release(ws, made.name).counts.approved == 2


class TestEnvironment:
    @attack(
        "SEEDGATE_LEDGER_URL points to a ledger of one's own",
        outcome="detected",
        by="`audit --expect-head` with a head noted elsewhere",
    )
    def test_another_ledger(
        self, approved: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noted = approved.ledger.head()[1]
        approved.close()
        monkeypatch.setenv("SEEDGATE_LEDGER_URL", f"sqlite:///{tmp_path / 'own.db'}")
        with Ledger.create(f"sqlite:///{tmp_path / 'own.db'}") as own:
            own.append(
                [NewEvent("workspace.created", "tiny", {"simulated_reviewer": "simulated-x"}, "workspace")]
            )
        assert any("history was rewritten" in fault for fault in faults(approved, expect_head=noted))

    @attack(
        "an environment variable asks for review to be skipped",
        outcome="refused",
        by="G1: the gate reads no environment",
    )
    def test_variables(self, reviewing: Reviewing, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (
            "SEEDGATE_SKIP_REVIEW",
            "SEEDGATE_SIMULATED_REVIEWER",
            "SEEDGATE_QUORUM",
            "SEEDGATE_REVIEWERS",
        ):
            monkeypatch.setenv(name, "1")
        reviewing.candidates(2)
        assert release(reviewing.ws).counts.approved == 0

    @attack(
        "the gate's code is replaced as Python starts (a .pth file, sitecustomize, task.py)",
        outcome="detected",
        by="`audit` with an installation of its own",
    )
    def test_other_code(self, reviewing: Reviewing, tmp_path: Path) -> None:
        reviewing.candidates(2)
        reviewing.ws.close()
        (tmp_path / "sitecustomize.py").write_text(
            "import seedgate.review.gate as gate, seedgate.review.facts as facts\n"
            "def decide(known, honest=gate.decide):\n"
            "    return honest(known).model_copy(update={'outcome': 'approved'})\n"
            "facts.decide = decide\n"
        )
        code = "import sys; from seedgate.finetune import release; from seedgate.workspace import Workspace\n"
        code += "print(release(Workspace(sys.argv[1])).counts.approved)"
        command = [sys.executable, "-c", code, str(reviewing.ws.root)]
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
        )
        assert done.stdout.strip() == "2", done.stderr
        assert (
            sum("was not approved when the release was made" in fault for fault in faults(reviewing.ws)) == 2
        )
        with pytest.raises(RefusedError, match="was not approved"):
            verify_release(reviewing.ws, "r001")

    @attack(
        "a task class in task.py lets every example pass its validators",
        outcome="refused",
        by="only the declared fields are taken from the class; the reviewer decides, not the class",
    )
    def test_a_lax_class(
        self, tmp_path: Path, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from seedgate.workspace import load_task

        (tmp_path / "task.py").write_text(
            "from typing import Annotated, Any, Literal\n"
            "from pydantic import BaseModel, model_validator\n"
            "from seedgate.task import Input, Output\n"
            "class Ticket(BaseModel):\n"
            "    text: Annotated[str, Input]\n"
            "    label: Annotated[Literal['a', 'b'], Output]\n"
            "    @model_validator(mode='wrap')\n"
            "    @classmethod\n"
            "    def anything(cls, value: Any, handler: Any) -> Any:\n"
            "        return cls.model_construct(text='x', label='a')\n"
        )
        task = load_task(tmp_path, {"name": "t", "class": "task.py:Ticket", "instructions": "Name it."})
        with pytest.raises(InputError, match="label"):
            task.validate_fields({"text": "x", "label": "neither"})

    @attack(
        "secrets are left where others can read them",
        outcome="refused",
        by="a secrets file that others can read is not used",
    )
    def test_open_secrets(self, tiny_workspace: Workspace) -> None:
        from seedgate.errors import SeedgateError

        tiny_workspace.secrets.set("argilla_api_key", "key")
        tiny_workspace.secrets.path.chmod(0o644)
        with pytest.raises(SeedgateError, match="others can read"):
            tiny_workspace.argilla_key()
