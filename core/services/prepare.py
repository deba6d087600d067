"""Makes what the embedded stack needs once per user: argilla-server's environment and both models.

`make setup` runs `python -m seedgate.services.prepare`, so that the first `seedgate up` only has to start things;
`up` does the same when it was not done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from seedgate.errors import SeedgateError
from seedgate.services.argilla_venv import ArgillaVenv
from seedgate.services.embedded_model import EmbeddedModel
from seedgate.services.embedding_model import EmbeddingModel

__all__ = ["prepare"]


def prepare(on_progress: Callable[[str], None]) -> None:
    """Installs argilla-server, converts and unpacks the models, unless that was done; a line of progress for each.

    Raises:
        ServiceError: Something is missing or failed; the message names the log.
    """
    ArgillaVenv().prepare(on_progress)
    EmbeddedModel().prepare(on_progress)
    EmbeddingModel().prepare(on_progress)


def main() -> int:
    """The program: prints progress, and one line if it fails."""
    try:
        prepare(lambda line: print(line, flush=True))  # noqa: T201
    except SeedgateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
