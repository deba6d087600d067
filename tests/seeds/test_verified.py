"""The baseline: verified seeds and a locked evaluation set, or a refusal that says what to do."""

from seedgate.seeds import baseline
from seedgate.workspace import Workspace


def test_a_ready_workspace_has_a_baseline(tiny_workspace: Workspace) -> None:
    ready = baseline(tiny_workspace)
    assert len(ready.seeds) == 12
    assert len(ready.evaluation) == 6
    assert set(ready.vouched) == set(ready.seeds)
    assert all(id_ == seed.id for id_, seed in ready.seeds.items())
