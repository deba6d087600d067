"""The attacks use the workspaces of the rooms they attack: at a fake Argilla, and filled straight in the ledger."""

import pytest

from seedgate.finetune import release
from seedgate.workspace import Workspace
from tests.finetune.conftest import approved, reviewing
from tests.review.conftest import _no_waiting, review_workspace, server

__all__ = ["_no_waiting", "approved", "released", "review_workspace", "reviewing", "server"]


@pytest.fixture
def released(approved: Workspace) -> Workspace:
    """Four approved candidates in release r001."""
    release(approved)
    return approved
