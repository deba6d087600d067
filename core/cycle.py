"""The cycle: whatever can be done next, one step at a time, until people are needed.

Nothing is remembered here. Each time, the next step is worked out anew from the ledger, so a scheduler can
run `seedgate cycle` as often as it likes, and a kill at any instant costs only the step it interrupted.

    seeds verified, evaluation locked
      -> baseline release -> train -> evaluate -> promote?  (once)
      -> cycle n: generate -> push -> people -> pull -> ... -> release -> train -> evaluate -> promote? -> cycle n + 1

A cycle that asks a writer trains one on the newest release first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from seedgate.errors import BusyError, RefusedError, WaitingError
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace

__all__ = [
    "CycleState",
    "Step",
    "begin_cycle",
    "budget_spent",
    "cycle_state",
    "next_step",
    "plan",
    "run_step",
    "steps",
]

StepName = Literal[
    "start", "writer", "generate", "push", "review", "release", "train", "evaluate", "promote", "finish"
]
"""`review` is the step that only people can do."""

ORDER: tuple[StepName, ...] = get_args(StepName)

log = logging.getLogger(__name__)

ProgressFn = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Step:
    """One thing to do next.

    Attributes:
        cycle: The cycle it belongs to; 0 is the baseline.
        target: A release for `train` and `writer`, a model for `evaluate` and `promote`, else empty.
        seed: For `train`, where a release gets several models: this one's training seed.
    """

    name: StepName
    cycle: int
    target: str = ""
    seed: int | None = None

    def __str__(self) -> str:
        where = "baseline" if self.cycle == 0 else f"cycle {self.cycle}"
        seed = "" if self.seed is None else f" with training seed {self.seed}"
        return f"{where}: {self.name}{' ' + self.target if self.target else ''}{seed}"


@dataclass(frozen=True)
class CycleState:
    """Where the cycles stand.

    Attributes:
        number: The running cycle, or the last finished one; 0 before the first.
        running: Whether cycle `number` is open.
        simulated: Whether its candidates go to the simulated reviewer.
        target: How many candidates it wants after the filters.
    """

    number: int
    running: bool
    simulated: bool
    target: int


def cycle_state(ws: Workspace) -> CycleState:
    """Reads the state of the cycles from the ledger."""
    started = ws.ledger.last("cycle.started")
    if started is None:
        return CycleState(0, False, False, ws.config.generation.candidates)
    finished = ws.ledger.last("cycle.finished", subject=started.subject)
    payload = started.payload
    return CycleState(
        int(started.subject), finished is None, bool(payload["simulated"]), int(payload["target"])
    )


def begin_cycle(ws: Workspace, *, simulated: bool = False, dry_run: bool = False) -> CycleState:
    """The running cycle; starts the next one if none runs, or this one anew if it has asked for nothing yet.

    Raises:
        RefusedError: Seeds are not verified, or the evaluation set is not locked.
    """
    from seedgate.seeds import baseline

    baseline(ws)
    state, target = cycle_state(ws), ws.config.generation.candidates
    if not state.running:
        begun = CycleState(state.number + 1, True, simulated, target)
        key = f"cycle-start:{begun.number}"
    elif state.target != target and not _asked(ws, state.number):
        # No model was there when it began; what is wanted now counts.
        begun = replace(state, target=target)
        key = f"cycle-start:{state.number}:{ws.ledger.count('cycle.started')}"
    else:
        return state
    if not dry_run:
        payload = {"target": begun.target, "simulated": begun.simulated}
        ws.ledger.append([NewEvent("cycle.started", str(begun.number), payload, key=key)])
    return begun


def _asked(ws: Workspace, number: int) -> bool:
    newest = ws.ledger.last("run.started")
    return newest is not None and newest.payload.get("cycle") == number


def next_step(ws: Workspace) -> Step | None:
    """What can or must be done next; None when a budget of `[cycle]` is spent and nothing is half done.

    Raises:
        RefusedError: Seeds are not verified, or the evaluation set is not locked.
    """
    from seedgate.seeds import baseline

    baseline(ws)
    state = cycle_state(ws)
    if not state.running:
        step = _measured(ws, state.number) if state.number or ws.config.cycle.baseline else None
        if step is not None:
            return step
        return None if budget_spent(ws) else Step("start", state.number + 1)
    if not _generated(ws, state):
        return _writing(ws, state.number) or Step("generate", state.number)
    return _reviewing(ws, state) or _measured(ws, state.number) or Step("finish", state.number)


def budget_spent(ws: Workspace) -> str | None:
    """Which budget of `[cycle]` is spent, in words; None if there is something left of each.

    They are looked at before a cycle begins: what has begun is finished, so the last cycle may go over.
    """
    most = ws.config.cycle
    budgets: tuple[tuple[str, float, Callable[[], float]], ...] = (
        ("max_cycles", most.max_cycles, lambda: cycle_state(ws).number),
        ("max_requests", most.max_requests, lambda: ws.ledger.count("request.completed")),
        ("max_gpu_s", most.max_gpu_s, lambda: _gpu_s(ws)),
        ("max_reviewer_minutes", most.max_reviewer_minutes, lambda: _reviewer_minutes(ws)),
    )
    for name, limit, used in budgets:
        if limit and (spent := used()) >= limit:
            return f"[cycle] {name} = {limit:g} is spent ({spent:.4g})"
    return None


def plan(ws: Workspace) -> list[str]:
    """The steps from the next one to the end of its cycle, in words; empty if there is nothing to do.

    Raises:
        RefusedError: As for `next_step`.
    """
    step = next_step(ws)
    if step is None:
        return []
    ahead = ORDER[ORDER.index(step.name) + 1 :]
    if step.name == "evaluate" and not step.target:  # the base model, which is measured before any is trained
        ahead = ORDER[ORDER.index("train") :]
    if step.name == "release" and (state := cycle_state(ws)).running and not _generated(ws, state):
        ahead = ORDER[ORDER.index("writer") :]  # for the writer, before anything is generated
    if step.cycle == 0:  # the baseline is released, trained and measured, and that is all
        ahead = tuple(name for name in ahead if name != "finish")
    if not ws.config.cycle.train:
        ahead = tuple(name for name in ahead if name not in ("train", "evaluate", "promote"))
    if not _wants_writer(ws):
        ahead = tuple(name for name in ahead if name != "writer")
    said = {"generate": f"generate {cycle_state(ws).target} candidates", "review": "review (people)"}
    if (models := ws.config.cycle.training_seeds) > 1:
        said |= {"train": f"train {models} models", "evaluate": "evaluate each"}
    return [str(step), *(said.get(name, name) for name in ahead)]


def _gpu_s(ws: Workspace) -> float:
    from seedgate.report.effort import machines

    return sum(float(part["seconds"]) for part in machines(ws).values())


def _reviewer_minutes(ws: Workspace) -> float:
    from seedgate.review import reviewed

    return sum(each.seconds for each in reviewed(ws).decided if each.seconds is not None) / 60


def _generated(ws: Workspace, state: CycleState) -> bool:
    """A run that ended by itself counts too: it may have run out of what its plan can give."""
    return any(
        event.payload.get("cycle") == state.number
        for event in ws.ledger.events("run.finished", newest_first=True)
    )


def _wants_writer(ws: Workspace) -> bool:
    return "writer" in ws.config.generation.strategies


def _writing(ws: Workspace, cycle: int) -> Step | None:
    """What the strategy `writer` needs before it is asked: a model that was trained on the newest release."""
    from seedgate.finetune import release_needed, writer_needed

    if not _wants_writer(ws):
        return None
    newest = ws.ledger.last("release.created")
    # After a recall or a redaction the newest release is not what a writer may learn any more.
    if newest is None or release_needed(ws):
        return Step("release", cycle)
    return Step("writer", cycle, newest.subject) if writer_needed(ws, newest.subject) else None


def _reviewing(ws: Workspace, state: CycleState) -> Step | None:
    from seedgate.review import review_status

    status = review_status(ws, simulated=state.simulated)
    if status.half_pushed:
        return Step("push", state.number)
    if status.open:
        return Step("review", state.number)
    return Step("push", state.number) if status.unassigned else None


def _measured(ws: Workspace, cycle: int) -> Step | None:
    """The first of release, train, evaluate and promote that is missing for what is approved now."""
    from seedgate.finetune import models_of, next_seed, release_needed

    if release_needed(ws):
        return Step("release", cycle)
    if not ws.config.cycle.train:
        return None
    newest = ws.ledger.last("release.created")
    if newest is None:
        return None
    if not _evaluated(ws, ""):
        return Step("evaluate", cycle)
    wanted = ws.config.cycle.training_seeds
    seed = next_seed(ws, newest.subject, wanted)
    if seed is not None:
        return Step("train", cycle, newest.subject, seed if wanted > 1 else None)
    models = models_of(ws, newest.subject, wanted)
    unmeasured = next((model for model in models if not _evaluated(ws, model)), None)
    if unmeasured is not None:
        return Step("evaluate", cycle, unmeasured)
    return _promoted(ws, cycle, models)


def _promoted(ws: Workspace, cycle: int, models: list[str]) -> Step | None:
    """The next of the models to be put to the test; none once one is better, since the others would have to beat it.

    Each was measured and has paid for its place in the error budget by that, whether it is tested or not.
    """
    from seedgate.finetune import judged

    for model in models:
        found = judged(ws, model)
        if found is None:
            return Step("promote", cycle, model)
        if found.outcome == "better":
            return None
    return None


def _evaluated(ws: Workspace, model: str) -> bool:
    from seedgate.seeds import standing_lock

    lock = standing_lock(ws.ledger)
    return any(
        lock is not None and event.payload["eval_hash"] == lock.subject
        for event in ws.ledger.events("model.evaluated", subject=model or "base")
    )


def run_step(
    ws: Workspace, step: Step, *, simulated: bool = False, on_progress: ProgressFn | None = None
) -> Any:
    """Does one step; returns the report of the room that did it.

    Args:
        simulated: For `start`: this cycle's candidates go to the workspace's simulated reviewer.

    Raises:
        WaitingError: The step is `review`, and after a pull there is still something to decide.
    """
    state = cycle_state(ws)
    if step.name == "start":
        return begin_cycle(ws, simulated=simulated)
    if step.name == "finish":
        ws.ledger.append([NewEvent("cycle.finished", str(step.cycle), {}, key=f"cycle-finish:{step.cycle}")])
        return None
    if step.name == "generate":
        from seedgate.finetune import newest_writer
        from seedgate.generator import generate
        from seedgate.review import reviewed

        return generate(
            ws,
            candidates=begin_cycle(ws).target,
            cycle=step.cycle,
            on_progress=on_progress,
            reviewed=partial(reviewed, ws),
            writer=partial(newest_writer, ws),
        )
    if step.name in ("push", "review"):
        return _review(ws, step, state, on_progress)
    return _measure(ws, step, on_progress)


def _review(ws: Workspace, step: Step, state: CycleState, on_progress: ProgressFn | None) -> Any:
    from seedgate.review import pull, push, review_status

    if step.name == "push":
        return push(ws, cycle=step.cycle, simulated=state.simulated, on_progress=on_progress)
    report = pull(ws, on_progress=on_progress)
    _ask_adjudicator(ws)
    left = review_status(ws).open
    if left:
        raise WaitingError(
            f"{left} candidates of cycle {step.cycle} wait for review at {ws.argilla_url()}",
            hint="decide them there, then run `seedgate cycle` again (or leave `seedgate cycle --watch` running)",
        )
    return report


def _ask_adjudicator(ws: Workspace) -> None:
    """Puts conflicts before the adjudicator; nothing waits for the answers, and no refusal stops a cycle."""
    from seedgate.review import push_cases

    try:
        push_cases(ws)
    except (RefusedError, BusyError) as error:
        log.warning("nothing was put before the adjudicator: %s", error)


def _push_ahead(
    ws: Workspace, step: Step, on_step: Callable[[Step], ProgressFn | None]
) -> tuple[Step, Any] | None:
    """The next wave before those who are nearly done with theirs, if there are any and there is one."""
    from seedgate.review import nearly_done, push

    state = cycle_state(ws)
    names = nearly_done(ws, simulated=state.simulated)
    if not names:
        return None
    ahead = Step("push", step.cycle)
    try:
        report = push(
            ws,
            cycle=step.cycle,
            simulated=state.simulated,
            reviewers=names,
            ahead=True,
            on_progress=on_step(ahead),
        )
    except BusyError:  # somebody pushes just now: that will do
        return None
    return None if report.round is None else (ahead, report)


def _measure(ws: Workspace, step: Step, on_progress: ProgressFn | None) -> Any:
    from seedgate.finetune import current_model, evaluate, promote, release, train

    if step.name == "release":
        return release(ws, on_progress=on_progress)
    if step.name == "writer":
        return train(ws, step.target, writer=True, on_progress=on_progress)
    if step.name == "train":
        seed = ws.config.training.seed if step.seed is None else step.seed
        return train(ws, step.target, on_progress=on_progress, seed=seed)
    if step.name == "promote":
        # Measured before, unless the set or the settings have changed since.
        for model in (current_model(ws), step.target):
            evaluate(ws, model, on_progress=on_progress)
        return promote(ws, step.target)
    return evaluate(ws, step.target or None, on_progress=on_progress)


def steps(
    ws: Workspace,
    *,
    simulated: bool = False,
    stop_after: int | None = None,
    on_step: Callable[[Step], ProgressFn | None] = lambda _: None,
    on_wait: Callable[[WaitingError], None] | None = None,
) -> Iterator[tuple[Step, Any]]:
    """Does step after step, yielding each with its report.

    Args:
        stop_after: Ends before starting a cycle above this number.
        on_step: Told of each step before it runs; gives back where its progress goes.
        on_wait: Called while people are needed; when it returns, Argilla is asked again. Whoever is nearly
            done by then gets the next wave first.

    Raises:
        WaitingError: People are needed, and there is no `on_wait`; everything before that has been done.
    """
    while (step := next_step(ws)) is not None:
        if stop_after is not None and step.name == "start" and step.cycle > stop_after:
            return
        try:
            report = run_step(ws, step, simulated=simulated, on_progress=on_step(step))
        except WaitingError as waiting:
            if on_wait is None:
                raise
            more = _push_ahead(ws, step, on_step)
            if more is not None:
                yield more
            else:
                on_wait(waiting)
        else:
            yield step, report
