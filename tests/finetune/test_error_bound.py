"""A release says how many of its rows may be wrong, is refused above the policy, and `audit` checks the figure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedgate.canonical import sha256
from seedgate.errors import RefusedError
from seedgate.finetune import audit, release
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing


def manifest_of(ws: Workspace, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ws.releases_dir / name / "manifest.json").read_bytes())
    return loaded


def test_seeds_alone_have_no_bound(reviewing: Reviewing) -> None:
    made = release(reviewing.ws)
    assert made.error_bound is None
    assert manifest_of(reviewing.ws, made.name)["error_bound"] is None
    assert "may be wrong" not in (made.path / "README.md").read_text()


def test_without_a_second_look_the_release_says_that_nothing_is_known(approved: Workspace) -> None:
    made = release(approved)
    assert "no error bound: no approved row was looked at again by a second person" in str(made)
    said = manifest_of(approved, made.name)["error_bound"]
    assert (said["rows"], said["wrong"], said["judged"]) == (4, 4, 0)
    assert "Not known: no approved row was looked at again" in (made.path / "README.md").read_text()
    assert audit(approved) == []


def test_above_the_policy_nothing_is_released(approved: Workspace) -> None:
    config = approved.root / "seedgate.toml"
    config.write_text(config.read_text().replace("[policy]", "[policy]\nmax_error = 0.1"))
    with Workspace(approved.root) as ws:
        assert ws.config.policy.max_error == 0.1
        for dry_run in (True, False):
            with pytest.raises(RefusedError, match=r"max_error is 10\.0%: no error bound") as refused:
                release(ws, dry_run=dry_run)
            assert refused.value.exit_code == 3
        assert ws.ledger.count("release.created") == 0


def test_the_seeds_are_released_whatever_the_policy(reviewing: Reviewing) -> None:
    config = reviewing.ws.root / "seedgate.toml"
    config.write_text(config.read_text().replace("[policy]", "[policy]\nmax_error = 0.1"))
    with Workspace(reviewing.ws.root) as ws:
        assert release(ws).name == "r000"


def test_a_manifest_with_a_flattering_bound_is_found(approved: Workspace) -> None:
    name = release(approved).name
    path = approved.releases_dir / name / "manifest.json"
    forged = manifest_of(approved, name)
    forged["error_bound"]["wrong"] = 1
    path.chmod(0o644)
    path.write_text(json.dumps(forged))
    from seedgate.finetune.integrity import evidence_faults
    from seedgate.finetune.records import Manifest

    event = approved.ledger.last("release.created")
    assert event is not None
    assert sha256(path.read_bytes()) != event.payload["manifest_hash"]
    found = [fault.what for fault in evidence_faults(approved, event, Manifest.model_validate(forged))]
    assert found == ["the ledger says otherwise about its error bound"]
