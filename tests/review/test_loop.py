"""The scenarios at the fake Argilla."""

from tests.review.scenarios import Scenarios


class TestAtTheFake(Scenarios):
    """See `Scenarios`."""
