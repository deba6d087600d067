"""Errors meant for people: one clear line each, and the exit code that goes with it.

    SeedgateError            1   something failed; the line says what to do
    ├── InputError           2   wrong usage or bad input: file, row or record, what was found, what to do
    │   └── ConfigError      2   seedgate.toml
    ├── RefusedError         3   a gate said no, and says why
    ├── ServiceError         1   a service did not answer, or answered wrongly
    ├── LedgerError          1   the ledger is damaged or cannot be written
    ├── BusyError            1   another process holds this stage's lease
    └── WaitingError        75   people are needed before anything else can happen

Anything else that reaches the shell as a traceback is a bug.
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "ConfigError",
    "InputError",
    "LedgerError",
    "RefusedError",
    "SeedgateError",
    "ServiceError",
    "WaitingError",
]


class SeedgateError(Exception):
    """Something failed; the message is complete and fit for a person.

    Args:
        message: What was found, and where.
        hint: What to do about it, as an imperative sentence without a full stop.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}: {hint}" if hint else message)


class InputError(SeedgateError):
    """Wrong usage or bad input."""

    exit_code = 2


class ConfigError(InputError):
    """`seedgate.toml` does not say something usable."""


class RefusedError(SeedgateError):
    """A gate refused: nothing was written."""

    exit_code = 3


class ServiceError(SeedgateError):
    """vLLM, Argilla or one of their parts could not be used."""


class LedgerError(SeedgateError):
    """The ledger is damaged, or could not be written."""


class BusyError(SeedgateError):
    """Another process is running the same stage on this workspace."""


class WaitingError(SeedgateError):
    """Nothing more can be done until people have acted."""

    exit_code = 75
