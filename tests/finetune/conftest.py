"""What the tests of fine-tuning share: a workspace whose ledger holds candidates and verdicts."""

import pytest

from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing


@pytest.fixture
def reviewing(tiny_workspace: Workspace) -> Reviewing:
    """The tiny workspace, with a way to fill it."""
    return Reviewing(tiny_workspace)


@pytest.fixture
def approved(reviewing: Reviewing) -> Workspace:
    """A workspace with four approved candidates, nothing released yet."""
    reviewing.approve(*reviewing.candidates(4))
    return reviewing.ws
