"""Attacks in Argilla: by the pusher's key, an admin, its database, a reviewer, or a server that stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fakes.argilla_server import OWNER_KEY, FakeArgilla
from fakes.reviewing import Owner, Reviewer

from seedgate.errors import InputError, RefusedError
from seedgate.finetune import release, verify_release
from seedgate.ledger import NewEvent
from seedgate.review import decisions, pull, push, push_cases
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.attacks.tampering import answer_all, edit_config, faults, released_texts
from tests.review.case_scenarios import adjudicator, disputed
from tests.review.scenarios import BOX, FEE, MAIL, PUMP, SILLY, by_text, outcomes

MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def ws(review_workspace: MakeWorkspace) -> Workspace:
    """One reviewer, six candidates, all of them pushed."""
    made = review_workspace(one_reviewer=True)
    push(made, cycle=1)
    return made


@pytest.fixture
def anna(ws: Workspace) -> Iterator[Reviewer]:
    with Reviewer(ws, "anna") as reviewer:
        yield reviewer


@pytest.fixture
def owner(ws: Workspace) -> Iterator[Owner]:
    with Owner(ws) as meddler:
        yield meddler


def stored(server: FakeArgilla, text: str) -> dict[str, Any]:
    """A record in Argilla's own database."""
    return next(record for record in server.records if record["fields"]["text"] == text)


def added_user(server: FakeArgilla, ws: Workspace, name: str, role: str = "annotator") -> dict[str, Any]:
    """A further account, a member of every workspace."""
    user = server.add_user(name, role, "password-of-mallory")
    server.members += [(workspace["id"], user["id"]) for workspace in server.workspaces]
    return user


def rewrite(owner: Owner, text: str, other: str) -> None:
    """Another text in a record, over Argilla's API."""
    record = owner.record(text)
    owner.call("PATCH", f"records/{record['id']}", json={"fields": record["fields"] | {"text": other}})


def sneak_in(server: FakeArgilla, text: str, user: dict[str, Any], decision: str = "approve") -> None:
    """A submitted response written into Argilla's database."""
    record = stored(server, text)
    record["responses"].append(
        server._stamped(
            {
                "values": {"decision": {"value": decision}},
                "status": "submitted",
                "record_id": record["id"],
                "user_id": user["id"],
            }
        )
    )


class TestForgedResponses:
    @attack(
        "the account that pushes answers a record itself",
        outcome="refused",
        by="G3: a foreign response, reported",
    )
    def test_by_the_pusher(self, ws: Workspace, owner: Owner) -> None:
        owner.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("foreign response")
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "an account that nobody listed answers a record",
        outcome="refused",
        by="G3: a foreign response, reported",
    )
    def test_by_a_stranger(self, ws: Workspace, server: FakeArgilla) -> None:
        added_user(server, ws, "mallory")
        with Reviewer(ws, "mallory", password="password-of-mallory") as mallory:
            mallory.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("foreign response")
        assert outcomes(ws, PUMP) == ["pending"]

    @attack("a second admin answers a record", outcome="refused", by="G3: a foreign response, reported")
    def test_by_another_admin(self, ws: Workspace, server: FakeArgilla) -> None:
        sneak_in(server, PUMP, server.add_user("root", "owner", "password"))
        assert pull(ws).anomalies[0].startswith("foreign response")
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a reviewer answers another reviewer's record", outcome="refused", by="G3: one dataset per reviewer"
    )
    def test_by_the_other_reviewer(self, review_workspace: MakeWorkspace, server: FakeArgilla) -> None:
        ws = review_workspace(rows={PUMP: "delivery"}, settings={"review": {"quorum": 2}})
        push(ws, cycle=1)
        ben = next(user for user in server.users if user["username"] == "ben")
        with Reviewer(ws, "ben") as reviewer:
            reviewer.answer(PUMP, "approve")
        for record in server.records:
            record["responses"] = [*record["responses"]] or [
                server._stamped(
                    {
                        "values": {"decision": {"value": "approve"}},
                        "status": "submitted",
                        "user_id": ben["id"],
                    }
                )
            ]
        pull(ws)
        assert by_text(ws)[PUMP].approvers == ("ben",)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a reviewer answers after being taken off the workspace's list", outcome="refused", by="G3, at `pull`"
    )
    def test_by_a_removed_reviewer(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve")
        with edit_config(ws, ('"anna"', '"cleo"')) as later:
            pull(later)
            assert outcomes(later, PUMP) == ["pending"]
            assert "not on the workspace's list" in by_text(later)[PUMP].reason

    @attack("an annotator is made an admin and then answers", outcome="refused", by="G3: the role at `pull`")
    def test_by_an_annotator_turned_admin(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        anna.answer(PUMP, "approve")
        next(user for user in server.users if user["username"] == "anna")["role"] = "admin"
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a reviewer's account is deleted and made again by somebody else",
        outcome="refused",
        by="G3: the account's id, of the push",
    )
    def test_by_a_namesake(self, ws: Workspace, server: FakeArgilla) -> None:
        server.users = [user for user in server.users if user["username"] != "anna"]
        added_user(server, ws, "anna")
        with Reviewer(ws, "anna", password="password-of-mallory") as namesake:
            namesake.answer(PUMP, "approve")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "with the admin key, a reviewer's response is rewritten before it is pulled",
        outcome="documented",
        by="blind re-review and controls; Argilla's own database backups; the reviewer, who knows what they approved",
    )
    def test_in_anothers_name(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        anna.answer(SILLY, "reject")
        owner.change_response(SILLY, decision="approve")
        assert pull(ws).anomalies == ()
        assert released_texts(release(ws).path) == [SILLY]
        assert faults(ws) == []

    @attack(
        "with the admin key, a reviewer's response is rewritten after it was pulled",
        outcome="detected",
        by="`pull`: the verdict changed; a released row is recalled",
    )
    def test_in_anothers_name_later(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        anna.answer(PUMP, "approve")
        anna.answer(SILLY, "reject")
        pull(ws)
        owner.change_response(SILLY, decision="approve")
        assert pull(ws).changed == 1

    @attack(
        "a response in a reviewer's name is written into Argilla's database",
        outcome="documented",
        by="blind re-review, controls, pace; Argilla's own database backups; the reviewer's count of answers",
    )
    def test_by_a_database_administrator(self, ws: Workspace, server: FakeArgilla) -> None:
        sneak_in(server, SILLY, next(user for user in server.users if user["username"] == "anna"))
        assert pull(ws).anomalies == ()
        assert outcomes(ws, SILLY) == ["approved"]

    @attack(
        "the engineer signs in with the password that push made for a reviewer",
        outcome="documented",
        by="reviewers who change their password at the first sign-in; controls, pace and blind re-review",
    )
    def test_with_the_reviewers_password(self, ws: Workspace) -> None:
        with Reviewer(ws, "anna", password=ws.secrets.get("reviewer_anna_password")) as engineer:
            engineer.answer(SILLY, "approve")
        pull(ws)
        assert outcomes(ws, SILLY) == ["approved"]


class TestHalfAnswers:
    @attack("a draft is left that says approve", outcome="refused", by="G3: only a submitted response counts")
    def test_a_draft(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve", status="draft")
        assert pull(ws).drafts == 1
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a record is discarded with approve chosen",
        outcome="refused",
        by="G3: only a submitted response counts",
    )
    def test_a_discard(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve", status="discarded")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a decision is suggested, and nobody responds", outcome="refused", by="G3: suggestions are not read"
    )
    def test_a_suggestion(self, ws: Workspace, server: FakeArgilla) -> None:
        question = next(q for q in server.datasets[0]["questions"] if q["name"] == "decision")
        stored(server, PUMP)["suggestions"].append({"question_id": question["id"], "value": "approve"})
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a decision is suggested, and the reviewer submits the page as it stands",
        outcome="refused",
        by="G3: no answer to a record with a decision pre-filled counts, and `pull` reports it",
    )
    def test_a_suggestion_that_is_submitted(self, ws: Workspace, server: FakeArgilla, anna: Reviewer) -> None:
        question = next(q for q in server.datasets[0]["questions"] if q["name"] == "decision")
        stored(server, PUMP)["suggestions"].append({"question_id": question["id"], "value": "approve"})
        anna.answer(PUMP, "approve")
        anna.answer(BOX, "approve")
        assert [line for line in pull(ws).anomalies if line.startswith("decision suggested")]
        assert outcomes(ws, PUMP, BOX) == ["pending", "approved"]
        assert "pre-filled" in by_text(ws)[PUMP].reason

    @attack(
        "an approval is pulled, then turned into a draft",
        outcome="refused",
        by="G9: a change that is seen on a surviving response",
    )
    def test_an_approval_taken_back(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve")
        pull(ws)
        anna.answer(PUMP, "approve", status="draft")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack("an approval carries a corrected field along", outcome="refused", by="G5: inconsistent")
    def test_an_approval_with_a_correction(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve", corrected_label="billing")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "the status of a response is one that Argilla does not have",
        outcome="refused",
        by="G9: no decision that is known",
    )
    def test_a_decision_that_is_no_decision(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        anna.answer(PUMP, "approve")
        stored(server, PUMP)["responses"][0]["values"]["decision"]["value"] = ["approve"]
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]


class TestRecords:
    @attack(
        "a record is edited before it is approved",
        outcome="refused",
        by="G2: the record was changed after it was pushed",
    )
    def test_edited_before(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        rewrite(owner, SILLY, "Where is my pump?")
        record = next(r for r in anna.records() if r["fields"]["text"] == "Where is my pump?")
        anna.put(record, record["prefilled"] | {"decision": "approve"})
        pull(ws)
        assert outcomes(ws, SILLY) == ["pending"]

    @attack("a record is edited, approved and edited back", outcome="refused", by="G2: Argilla's time stamps")
    def test_edited_back(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        owner.change_record(SILLY, label="account")
        anna.answer(SILLY, "approve")
        owner.change_record(SILLY, label="billing")
        pull(ws)
        assert outcomes(ws, SILLY) == ["pending"]

    @attack(
        "a record is edited after its approval was pulled",
        outcome="refused",
        by="the content is the ledger's, not Argilla's",
    )
    def test_edited_after(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        anna.answer(PUMP, "approve")
        pull(ws)
        rewrite(owner, PUMP, "Something else altogether")
        assert pull(ws).anomalies[0].startswith("record altered")
        assert released_texts(release(ws).path) == [PUMP]

    @attack(
        "a record's fields are changed by SQL, time stamps untouched",
        outcome="refused",
        by="G2: the hash of what the record shows",
    )
    def test_edited_by_sql(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        stored(server, SILLY)["fields"]["label"] = "account"
        anna.answer(SILLY, "approve")
        pull(ws)
        assert outcomes(ws, SILLY) == ["pending"]

    @attack(
        "a record's fields are changed by SQL, approved and changed back, time stamps untouched",
        outcome="documented",
        by="blind re-review; Argilla's own database backups and log",
    )
    def test_edited_back_by_sql(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        record = stored(server, SILLY)
        record["fields"]["text"] = "Where is my pump?"
        anna.answer("Where is my pump?", "approve")
        record["fields"]["text"] = SILLY
        pull(ws)
        assert outcomes(ws, SILLY) == ["approved"]

    @attack(
        "a further record is put into a reviewer's dataset",
        outcome="refused",
        by="G3: nobody was asked about it; reported",
    )
    def test_a_strange_record(self, ws: Workspace, server: FakeArgilla, anna: Reviewer) -> None:
        record = server._stamped(stored(server, PUMP) | {"external_id": "strange", "responses": []})
        record["fields"] = record["fields"] | {"text": "Never generated, never pushed"}
        record["id"] = "00000000-0000-0000-0000-000000000001"
        server.records.append(record)
        anna.answer("Never generated, never pushed", "approve")
        assert pull(ws).anomalies[0].startswith("strange record")
        assert len(decisions(ws)) == 6
        assert {d.outcome for d in decisions(ws).values()} == {"pending"}

    @attack(
        "two records exchange their external ids",
        outcome="refused",
        by="G2: the hash of what the record shows",
    )
    def test_exchanged_ids(self, ws: Workspace, server: FakeArgilla, anna: Reviewer) -> None:
        one, two = stored(server, PUMP), stored(server, SILLY)
        one["external_id"], two["external_id"] = two["external_id"], one["external_id"]
        anna.answer(PUMP, "approve")
        pull(ws)
        assert outcomes(ws, PUMP, SILLY) == ["pending", "pending"]

    @attack(
        "an approval is moved by SQL to the record of another candidate",
        outcome="documented",
        by="blind re-review; Argilla's own database backups",
    )
    def test_a_moved_response(self, ws: Workspace, server: FakeArgilla, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve")
        stored(server, SILLY)["responses"] = stored(server, PUMP)["responses"]
        stored(server, SILLY)["responses"][0]["values"] = {"decision": {"value": "approve"}}
        stored(server, PUMP)["responses"] = []
        pull(ws)
        assert outcomes(ws, PUMP, SILLY) == ["pending", "approved"]

    @attack(
        "the texts that help to judge, such as the nearest seed, are changed by SQL to mislead",
        outcome="refused",
        by="G2: every text of the record is compared with what was pushed",
    )
    def test_a_misleading_comparison(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        stored(server, SILLY)["fields"]["nearest_seed"] = "Message: Pump me up before you go\nLabel: billing"
        stored(server, PUMP)["fields"]["meaning"] = "approve whatever says this"
        for text in (SILLY, PUMP, BOX):
            anna.answer(text, "approve")
        pull(ws)
        assert outcomes(ws, SILLY, PUMP, BOX) == ["pending", "pending", "approved"]

    @pytest.mark.parametrize("strange", ["\ud800", float("nan"), 10**19, [[[["x"]]]], {"a": None}], ids=ascii)
    @attack(
        "a response holds what is no canonical JSON, to stop pulls or to be read differently twice",
        outcome="refused",
        by="G9: malformed; the other answers are pulled",
    )
    def test_strange_values(self, ws: Workspace, anna: Reviewer, server: FakeArgilla, strange: Any) -> None:
        anna.answer(BOX, "approve")
        anna.answer(PUMP, "approve")
        deep: Any = strange
        for _ in range(40):
            deep = [deep]
        values = stored(server, PUMP)["responses"][0]["values"]
        values |= {"corrected_label": {"value": deep}, "comment": {"value": strange}}
        pull(ws)
        pull(ws)
        assert outcomes(ws, BOX, PUMP) == ["approved", "pending"]


class TestPlaces:
    @attack(
        "the dataset's guidelines are loosened while reviewers work",
        outcome="refused",
        by="G2: the hash of the guidelines shown",
    )
    def test_other_guidelines(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        owner.change_guidelines("Approve everything.")
        anna.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("guidelines changed")
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "the texts of the options approve and reject are exchanged",
        outcome="refused",
        by="G9: the hash of the questions",
    )
    def test_exchanged_options(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        options = next(q for q in server.datasets[0]["questions"] if q["name"] == "decision")["settings"][
            "options"
        ]
        options[0]["text"], options[2]["text"] = options[2]["text"], options[0]["text"]
        anna.answer(SILLY, "approve")
        pull(ws)
        assert outcomes(ws, SILLY) == ["pending"]

    @attack(
        "a field is switched to Markdown, which can hide text",
        outcome="refused",
        by="G9: the hash of the fields",
    )
    def test_markdown(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        server.datasets[0]["fields"][0]["settings"]["use_markdown"] = True
        anna.answer(PUMP, "approve")
        pull(ws)
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a dataset is deleted and made again under its name, with answers in it",
        outcome="refused",
        by="G2: the dataset's id; reported",
    )
    def test_a_dataset_made_again(
        self, ws: Workspace, anna: Reviewer, owner: Owner, server: FakeArgilla
    ) -> None:
        before = server.datasets[0]
        records = [dict(record) for record in server.records]
        owner.delete_dataset()
        again = before | {"id": "00000000-0000-0000-0000-000000000002"}
        server.datasets.append(again)
        server.records = [record | {"dataset_id": again["id"]} for record in records]
        anna.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("dataset gone")
        assert outcomes(ws, PUMP) == ["pending"]

    @attack("push meets a dataset of its name that asks something else", outcome="refused", by="`push`")
    def test_a_dataset_in_the_way(self, review_workspace: MakeWorkspace, server: FakeArgilla) -> None:
        ws = review_workspace(one_reviewer=True)
        round_ = push(ws, cycle=1, dry_run=True)
        assert round_.places
        workspace, dataset = round_.places["anna"]
        headers = {"X-Argilla-Api-Key": OWNER_KEY}
        with httpx.Client(base_url=f"{server.url}/api/v1/", headers=headers, trust_env=False) as client:
            made = client.post("workspaces", json={"name": workspace}).json()
            body = {"name": dataset, "workspace_id": made["id"], "guidelines": "Approve all."}
            id_ = client.post("datasets", json=body).json()["id"]
            settings = {
                "type": "label_selection",
                "options": [{"value": "approve", "text": "Reject", "description": None}],
            }
            question = {"name": "decision", "title": "?", "required": True, "settings": settings}
            client.post(f"datasets/{id_}/questions", json=question)
        with pytest.raises(RefusedError, match="shows or asks something else"):
            push(ws, cycle=1)

    @attack(
        "an empty Argilla stands in for the one that was pushed to",
        outcome="refused",
        by="nothing to read; every dataset reported as gone",
    )
    def test_an_empty_argilla(self, ws: Workspace, anna: Reviewer, monkeypatch: pytest.MonkeyPatch) -> None:
        anna.answer(PUMP, "approve")
        with FakeArgilla().serve() as other:
            monkeypatch.setenv("SEEDGATE_ARGILLA_URL", other.url)
            assert [each.split(":")[0] for each in pull(ws).anomalies] == ["dataset gone"]
        assert outcomes(ws, PUMP) == ["pending"]

    @attack(
        "a copy of Argilla stands in (SEEDGATE_ARGILLA_URL), with answers that nobody gave",
        outcome="documented",
        by="the next `pull` from the true Argilla, which reports each of those responses as gone",
    )
    def test_a_copied_argilla(
        self, ws: Workspace, server: FakeArgilla, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import copy

        state = {
            name: copy.deepcopy(getattr(server, name))
            for name in ("users", "workspaces", "members", "datasets", "records")
        }
        fake = FakeArgilla()
        for name, value in state.items():
            setattr(fake, name, value)
        with fake.serve() as other, monkeypatch.context() as elsewhere:
            elsewhere.setenv("SEEDGATE_ARGILLA_URL", other.url)
            with Reviewer(ws, "anna") as forger:
                forger.answer(SILLY, "approve")
            pull(ws)
        assert outcomes(ws, SILLY) == ["approved"]
        assert faults(ws) == []
        assert pull(ws).anomalies[0].startswith("response gone")


class TestReplays:
    def replay(self, ws: Workspace, **changes: Any) -> str:
        """Anna's approval of one text, recorded again as something it is not; the reason of the gate."""
        with Reviewer(ws, "anna") as anna:
            anna.answer(PUMP, "approve")
        pull(ws)
        given = ws.ledger.last("verdict.recorded")
        assert given is not None
        target = by_text(ws)[SILLY].candidate_id
        record = next(e for e in ws.ledger.events("round.opened")).payload["assignments"]
        own = next(a["record_id"] for a in record if a["candidate_id"] == target)
        forged = given.payload | {
            "candidate_id": target,
            "seen_hash": target,
            "corrected_hash": target,
            "record_id": own,
            "response_id": "replayed",
        }
        ws.ledger.append([NewEvent("verdict.recorded", target, forged | changes)])
        assert outcomes(ws, SILLY) == ["pending"]
        return by_text(ws)[SILLY].reason

    @attack("a verdict is replayed from another dataset", outcome="refused", by="G2: (record, dataset) pairs")
    def test_from_another_dataset(self, ws: Workspace) -> None:
        assert "not the one that was pushed" in self.replay(ws, dataset_id="another")

    @attack(
        "a verdict is replayed for another round", outcome="refused", by="G3: the round of the assignment"
    )
    def test_from_another_round(self, ws: Workspace) -> None:
        assert "nobody was asked" in self.replay(ws, round="another-1")

    @attack(
        "a verdict is replayed for a record of another candidate",
        outcome="refused",
        by="G3: the record's assignment",
    )
    def test_from_another_record(self, ws: Workspace) -> None:
        given = by_text(ws)[PUMP].candidate_id
        assignments = next(e for e in ws.ledger.events("round.opened")).payload["assignments"]
        record = next(a["record_id"] for a in assignments if a["candidate_id"] == given)
        self.replay(ws, record_id=record)

    @attack(
        "a verdict is replayed under other guidelines",
        outcome="refused",
        by="G2: the guidelines of the round",
    )
    def test_from_other_guidelines(self, ws: Workspace) -> None:
        assert "other guidelines" in self.replay(ws, guideline_hash="0" * 64)

    @attack(
        "a verdict is replayed from another workspace on the same Argilla",
        outcome="refused",
        by="G3: record and round ids carry the workspace",
    )
    def test_from_another_workspace(self, ws: Workspace, review_workspace: MakeWorkspace) -> None:
        other = review_workspace(one_reviewer=True, folder="other", name="other")
        other.secrets.set("reviewer_anna_password", str(ws.secrets.get("reviewer_anna_password")))
        answer_all(other, "anna")
        assert {d.outcome for d in decisions(other).values()} == {"approved"}
        stolen = [
            NewEvent(e.kind, e.subject, e.payload, e.key) for e in other.ledger.events("verdict.recorded")
        ]
        ws.ledger.append(stolen)
        assert {d.outcome for d in decisions(ws).values()} == {"pending"}

    @attack(
        "an approval of an earlier cycle is used after the guidelines changed",
        outcome="refused",
        by="G2: stale; a new round",
    )
    def test_from_an_earlier_cycle(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve")
        pull(ws)
        ws.guidelines_path.write_text("Approve less.\n")
        assert outcomes(ws, PUMP) == ["pending"]
        assert release(ws).counts.approved == 0

    @attack(
        "a round, its push and approvals are appended to the ledger by hand, the chain going on",
        outcome="documented",
        by="the next `pull`, which reports each forged dataset or response as gone",
    )
    def test_a_round_made_up(self, ws: Workspace) -> None:
        given = "made-up"
        self_made = next(e for e in ws.ledger.events("round.pushed"))
        target = by_text(ws)[SILLY].candidate_id
        assignments = next(e for e in ws.ledger.events("round.opened")).payload["assignments"]
        record = next(a for a in assignments if a["candidate_id"] == target)
        verdict = {
            "candidate_id": target,
            "round": self_made.subject,
            "reviewer": "anna",
            "decision": "approve",
            "seen_hash": target,
            "corrected_hash": target,
            "guideline_hash": ws.guidelines()[1],
            "dataset_id": self_made.payload["datasets"]["anna"],
            "record_id": record["record_id"],
            "response_id": given,
            "user_id": self_made.payload["users"]["anna"],
            "submitted_at": "2026-01-01T00:00:00+00:00",
        }
        ws.ledger.append([NewEvent("verdict.recorded", target, verdict)])
        made = release(ws)
        assert released_texts(made.path) == [SILLY]
        assert faults(ws) == []
        assert pull(ws).anomalies[0].startswith("response gone: the response of anna")

    @attack(
        "a verdict is appended by hand over one that was pulled of an altered record, without what was wrong with it",
        outcome="detected",
        by="`pull`: the verdict is not the one that was pulled; disowned, a released row recalled",
    )
    def test_a_verdict_whitewashed(self, ws: Workspace, anna: Reviewer, owner: Owner) -> None:
        owner.change_record(SILLY, label="account")
        anna.answer(SILLY, "approve")
        owner.change_record(SILLY, label="billing")
        pull(ws)
        given = ws.ledger.last("verdict.recorded", subject=by_text(ws)[SILLY].candidate_id)
        assert given is not None
        assert given.payload["problem"]
        seen = {"problem": None, "seen_hash": given.subject}
        ws.ledger.append([NewEvent("verdict.recorded", given.subject, given.payload | seen)])
        assert released_texts(release(ws).path) == [SILLY]
        report = pull(ws)
        assert [each.split(":")[0] for each in report.anomalies] == ["verdict disowned"]
        assert report.recalled == 1
        assert outcomes(ws, SILLY) == ["void"]

    @attack(
        "a ruling is appended by hand over the adjudicator's answer that was pulled, to turn it round",
        outcome="detected",
        by="`pull`: the ruling is not the one that was pulled; disowned, a released row recalled",
    )
    def test_a_ruling_made_up(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP)
        push_cases(ws)
        with adjudicator(ws) as judge:
            judge.answer(PUMP, "reject")
        pull(ws)
        assert outcomes(ws, PUMP) == ["rejected"]
        given = ws.ledger.last("adjudication.recorded")
        assert given is not None
        forged = given.payload | {"decision": "approve"}
        ws.ledger.append([NewEvent("adjudication.recorded", given.subject, forged)])
        assert released_texts(release(ws).path) == [PUMP]
        report = pull(ws)
        assert [each.split(":")[0] for each in report.anomalies] == ["ruling disowned"]
        assert report.recalled == 1
        assert outcomes(ws, PUMP) == ["void"]

    @attack(
        "a verdict is appended by hand over a response that was pulled, to turn its rejection into an approval",
        outcome="detected",
        by="`pull`: the verdict is disowned, taken back and a released row recalled",
    )
    def test_a_verdict_made_up(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(SILLY, "reject")
        anna.answer(PUMP, "approve")
        pull(ws)
        given = ws.ledger.last("verdict.recorded", subject=by_text(ws)[SILLY].candidate_id)
        assert given is not None
        forged = given.payload | {"decision": "approve"}
        ws.ledger.append([NewEvent("verdict.recorded", given.subject, forged)])
        made = release(ws)
        assert sorted(released_texts(made.path)) == sorted([SILLY, PUMP])
        report = pull(ws)
        assert [each.split(":")[0] for each in report.anomalies] == ["verdict disowned"]
        assert report.recalled == 1
        assert pull(ws).anomalies == ()
        assert outcomes(ws, PUMP) == ["approved"]
        with pytest.raises(RefusedError, match="is approved no more"):
            verify_release(ws, made.name)

    @attack(
        "Argilla's clock is set back, so that a later rejection looks older than the approval",
        outcome="refused",
        by="the ledger's order: a round that was pushed after an answer is answered after it",
    )
    def test_a_clock_set_back(self, ws: Workspace, anna: Reviewer, server: FakeArgilla) -> None:
        anna.answer(SILLY, "approve")
        pull(ws)
        first = ws.guidelines()[0]
        ws.guidelines_path.write_text("Approve what a customer could have written.\n")
        push(ws, cycle=1)
        server.pass_time(-86_400)
        anna.answer(SILLY, "reject")
        pull(ws)
        assert outcomes(ws, SILLY) == ["rejected"]
        ws.guidelines_path.write_text(first)
        assert outcomes(ws, SILLY) == ["rejected"]

    @attack(
        "the clock of the machine with the ledger is set back, to date events before a sign-off or a release",
        outcome="refused",
        by="an event is never dated before the one before it; order is by number",
    )
    def test_the_ledgers_clock(self, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        from datetime import UTC, datetime

        from seedgate.ledger import store

        class Earlier(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime(2001, 1, 1, tzinfo=UTC)

        before = ws.ledger.last()
        monkeypatch.setattr(store, "datetime", Earlier)
        (event,) = ws.ledger.append([NewEvent("cycle.started", "1", {"target": 1, "simulated": False})])
        assert before is not None
        assert event.at >= before.at


class TestRoads:
    @attack(
        "the cycle number of a push is made up",
        outcome="refused",
        by="the cycle is only a name; the gate binds the round",
    )
    def test_another_cycle(self, ws: Workspace, anna: Reviewer) -> None:
        assert push(ws, cycle=99, ahead=True).round is None
        pull(ws)
        assert outcomes(ws, PUMP, BOX, FEE) == ["pending"] * 3

    @attack(
        "a reviewer is named like the account that pushes",
        outcome="refused",
        by="`push`: an owner's verdicts could not count",
    )
    def test_the_owner_as_reviewer(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        with (
            edit_config(ws, ('"anna"', '"owner"')) as later,
            pytest.raises(RefusedError, match="has the role owner"),
        ):
            push(later, cycle=1)

    @attack(
        "a program is pushed to as if it were a person",
        outcome="refused",
        by="G1: only `init` names a simulated reviewer",
    )
    def test_a_program(self, ws: Workspace) -> None:
        with pytest.raises(RefusedError, match="people decide here"):
            push(ws, cycle=1, simulated=True)
        with pytest.raises(InputError, match="not one of the reviewers"):
            push(ws, cycle=1, reviewers=["mallory"])

    @attack(
        "a released row is approved no more, and the release is trained on all the same",
        outcome="refused",
        by="G9, G10: recalled",
    )
    def test_a_recall(self, ws: Workspace, anna: Reviewer) -> None:
        anna.answer(PUMP, "approve")
        anna.answer(MAIL, "approve")
        pull(ws)
        made = release(ws)
        anna.answer(PUMP, "reject")
        assert pull(ws).recalled == 1
        with pytest.raises(RefusedError, match="is approved no more"):
            verify_release(ws, made.name)
        assert released_texts(release(ws).path) == [MAIL]

    @attack(
        "a verdict changes between the reading and the release of a concurrent pull",
        outcome="refused",
        by="G10: the gate is asked again before training",
    )
    def test_a_concurrent_pull(self, ws: Workspace, anna: Reviewer, monkeypatch: pytest.MonkeyPatch) -> None:
        from seedgate.finetune import releasing

        anna.answer(PUMP, "approve")
        pull(ws)
        anna.answer(PUMP, "reject")
        write = releasing._write

        def meanwhile(*args: Any) -> str:
            pull(ws)
            return write(*args)

        monkeypatch.setattr(releasing, "_write", meanwhile)
        made = release(ws)
        assert released_texts(made.path) == [PUMP]
        assert faults(ws) == []
        with pytest.raises(RefusedError, match="is approved no more"):
            verify_release(ws, made.name)
        assert released_texts(release(ws).path) == []
