"""The `seedgate` command: registers the commands and turns errors into one line and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage or bad input; 3 refused by a gate; 75 waiting for people;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from seedgate.cli import (
    checking,
    cycle,
    data,
    generate,
    guidelines,
    measure,
    paying,
    prompts,
    recall,
    releasing,
    review,
    reviewers,
    reviewing,
    stack,
)
from seedgate.cli.output import emit_error
from seedgate.errors import InputError, SeedgateError

__all__ = ["app", "main"]


class _StoppedError(SeedgateError):
    """Ctrl-C; 128 and the signal's number, as shells have it."""

    exit_code = 130


class _Commands(TyperGroup):
    """Keeps Ctrl-C from typer, which ends without a word or with "Aborted!", by its version."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _StoppedError("stopped; run the same command again to continue") from None


app = typer.Typer(
    name="seedgate",
    cls=_Commands,
    help=(
        "Synthetic training data that a human has approved, row by row.\n\n"
        "A workspace grows a verified baseline: generate with vLLM, review in Argilla, release what was "
        "approved, train, measure on a locked set.\n\n"
        "Example: seedgate init support --example support-desk && cd support && seedgate up"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

seeds_app = typer.Typer(
    help="Check, verify and lock the baseline.", no_args_is_help=True, rich_markup_mode=None
)

guidelines_app = typer.Typer(
    help="Which guidelines reviewers were shown, and which still count.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
review_app = typer.Typer(
    help="See where review stands, and propose corrections.", no_args_is_help=True, rich_markup_mode=None
)
reviewers_app = typer.Typer(
    help="What is known about each reviewer; void controls, end quarantines.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
release_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens underneath.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # httpx logs whole addresses at INFO; they are noise here.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # stamina tells of every single retry; that an endpoint left the pool is said once.
    logging.getLogger("stamina").setLevel(logging.INFO if verbose else logging.ERROR)


app.command("init")(data.init)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(stack.status)
seeds_app.command("check")(checking.check)
seeds_app.command("verify")(data.verify)
seeds_app.command("lock")(data.lock)
app.add_typer(seeds_app, name="seeds")
app.command("cycle")(cycle.cycle)
app.command("generate")(generate.generate)
app.command("prompts")(prompts.prompts)
app.command("push")(review.push)
app.command("pull")(review.pull)
app.command("adjudicate")(review.adjudicate)
guidelines_app.command("list")(guidelines.versions)
guidelines_app.command("compatible")(guidelines.compatible)
app.add_typer(guidelines_app, name="guidelines")
review_app.command("status")(reviewing.status)
review_app.command("propose")(reviewing.propose)
app.add_typer(review_app, name="review")
reviewers_app.command("list")(reviewers.measures)
reviewers_app.command("void")(reviewers.void)
reviewers_app.command("end")(reviewers.end)
app.add_typer(reviewers_app, name="reviewers")
release_app.callback()(releasing.release)
release_app.command("diff")(releasing.diff)
app.add_typer(release_app, name="release")
app.command("train")(measure.train)
app.command("eval")(measure.evaluate)
app.command("ablate")(paying.ablate)
app.command("curve")(paying.curve)
app.command("report")(cycle.report)
app.command("export")(measure.export)
app.command("audit")(measure.audit)
app.command("trace")(measure.trace)
app.command("reopen")(recall.reopen)
app.command("redact")(recall.redact)
app.command("backup")(recall.backup)
app.command("restore")(recall.restore)
app.command("demo")(cycle.demo)


def main() -> None:
    """Runs the command line; every error meant for people is one line on standard error."""
    _open_streams()
    try:
        code = _run()
        sys.stdout.flush()
        if code:
            sys.exit(code)
    except SeedgateError as error:
        _tell(error.message, error.hint, error.exit_code)
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe went away; there is nobody left to tell.
        _silence_stdout()
        sys.exit(1)
    except OSError as error:
        # A full disk or a bad path is the machine's fault; -v shows where it was met.
        logging.getLogger(__name__).info("met here", exc_info=True)
        what = (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error))
        hint = "mend this, then run again"
        _tell(what, hint, 1)
        _silence_stdout()
        _fail(f"{what}: {hint}", 1)


def _run() -> int:
    """Runs the command; wrong usage is an error like others, where typer would print a page about it itself."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:  # a question that nobody answered, and its line was not ended
        sys.stderr.write("\n")
        raise SeedgateError("stopped at a question", hint="run it where it can be answered") from None
    except Exception as caught:
        # Known by what it has: its class is click's or typer's own, by typer's version.
        error: Any = caught
        if not hasattr(error, "format_message"):
            raise
        what, context = error.format_message(), getattr(error, "ctx", None)
        # Where nothing was asked for, the page is the answer.
        if context is not None and what == context.get_help():
            error.show()
            return int(error.exit_code)
        hint = f"see `{context.command_path} --help`" if context is not None else None
        raise InputError(" ".join(what.split()).removesuffix("."), hint=hint) from None
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """Gives closed streams a place to go, and no character the power to stop a command.

    Without it the next file that is opened, the ledger perhaps, would get the number of a closed stream, and
    whatever is printed below Python would be written into it.
    """
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence_stdout() -> None:
    """What is left in its buffer would fail once more, and aloud, when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _tell(error: str, hint: str | None, code: int) -> None:
    """The failure as JSON, for whoever asked for JSON; standard output may be what failed."""
    if "--json" in sys.argv[1:]:
        with suppress(OSError):
            emit_error(error, hint, code)


def _fail(message: str, code: int) -> NoReturn:
    """One line, whatever characters a file's content or name brought into it."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    sys.stderr.write(f"seedgate: {line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
