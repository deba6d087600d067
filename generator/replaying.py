"""`generate --replay`: stored completions through today's parser and filters, without asking a model.

Completions are in the ledger as they came. What was dropped and passes now becomes a candidate like any other, with the
provenance of its request; what is a candidate stays one, since nothing in the ledger is taken back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from seedgate.errors import InputError
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import ChatForm, ListForm
from seedgate.generator.recording import Outcome, Recorder
from seedgate.generator.rendering import Form
from seedgate.generator.report import ProgressFn
from seedgate.generator.strategies.base import Plan
from seedgate.generator.templating import Templates
from seedgate.ledger import Event, NewEvent
from seedgate.seeds import baseline
from seedgate.workspace import Workspace

__all__ = ["ReplayReport", "replay"]

DROPPED, REPLAYED = "candidate.dropped", "candidate.replayed"
_PLACE = ("cycle", "request_id", "choice", "item")
_TOLD_EVERY = 50


class ReplayReport(BaseModel):
    """What stored completions gave.

    Attributes:
        requests: Looked at; `lost` of them have no completions any more, since they were redacted.
        found: Candidates that are new.
        dropped: `filter: reason` to items that are dropped now as well.
        before: `filter: reason` to how many of the new ones had been dropped by it.
        dry_run: Nothing was written.
    """

    model_config = ConfigDict(frozen=True)

    requests: int
    lost: int
    found: int
    dropped: dict[str, int]
    before: dict[str, int]
    dry_run: bool

    def __str__(self) -> str:
        text = f"{self.requests} stored requests: {self.found} new candidates"
        text += " (dry run: nothing was written)" if self.dry_run else ""
        for title, counts in (("had been dropped", self.before), ("dropped", self.dropped)):
            text += f"\n{title}: " + ", ".join(f"{k} {n}" for k, n in counts.items()) if counts else ""
        return text + (f"\n{self.lost} requests were redacted" if self.lost else "")


def replay(
    ws: Workspace,
    *,
    cycle: int | None = None,
    dry_run: bool = False,
    on_progress: ProgressFn | None = None,
) -> ReplayReport:
    """Parses and filters stored completions again, and records the candidates that were not there.

    Run again, also after a kill, it adds nothing that is there already.

    Args:
        cycle: Only this cycle's; its candidates stay its own, whatever runs now.
        dry_run: Count only.

    Raises:
        InputError: Nothing was generated yet.
        BusyError: A `generate` runs on this workspace.
    """
    base = baseline(ws)
    with ws.ledger.lease("generate") as lease:
        requests = [e for e in ws.ledger.events("request.completed") if cycle in (None, e.payload["cycle"])]
        if not requests:
            raise InputError("there are no stored completions to replay", hint="run `seedgate generate`")
        before, models = _Before(ws), _models(ws)
        chain = FilterChain.for_workspace(ws, base)
        templates = Templates(ws.prompts_dir)
        forms: dict[str, Form] = {}
        dropped: Counter[str] = Counter()
        was: Counter[str] = Counter()
        lost = found = 0
        for done, event in enumerate(requests, 1):
            again = _stored(ws, event)
            if again is None:
                lost += 1
                continue
            form = _form(ws, templates, str(event.payload.get("form", "chat")), forms)
            run = str(event.payload.get("run", ""))
            recorder = Recorder(ws.task, form, chain, models[run], cycle=event.payload["cycle"], run=run)
            outcome = recorder.outcome(*again, known=before.kept[event.subject])
            events = list(before.new_of(outcome))
            found += outcome.accepted
            was.update(_why(e.payload) for e in events if e.kind == REPLAYED)
            dropped.update({f"{filter_}: {reason}": n for (filter_, reason), n in outcome.drops.items()})
            if events and not dry_run:
                ws.ledger.append(events, lease=lease)
            if on_progress and (done % _TOLD_EVERY == 0 or done == len(requests)):
                on_progress(done, len(requests), f"{found} new")
    return ReplayReport(
        requests=len(requests),
        lost=lost,
        found=found,
        dropped=dict(dropped.most_common()),
        before=dict(was.most_common()),
        dry_run=dry_run,
    )


class _Before:
    """What had come of each part of each completion.

    Attributes:
        kept: Request id to the choices and items that are candidates.
    """

    def __init__(self, ws: Workspace) -> None:
        self.kept: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self._dropped: dict[tuple[str, int, int], Mapping[str, Any]] = {}
        for event in ws.ledger.events("candidate.created", DROPPED):
            born = event.payload.get("provenance", event.payload)
            if "request_id" not in born or born.get("edited_from") is not None:
                continue
            place = _place(born)
            if event.kind == DROPPED:
                self._dropped[place] = event.payload
            else:
                self.kept[place[0]].add(place[1:])

    def new_of(self, outcome: Outcome) -> Iterator[NewEvent]:
        """What is to be recorded: candidates, each with why it had been dropped, and drops of new parts."""
        for event in outcome.events:
            if event.kind == "request.completed":
                continue
            born = event.payload.get("provenance", event.payload)
            before = self._dropped.get(_place(born))
            if event.kind != DROPPED:
                yield event
                if before is not None:
                    payload = {key: before[key] for key in (*_PLACE, "filter", "reason")}
                    yield NewEvent(REPLAYED, event.subject, payload, key=f"replayed:{event.subject}")
            elif before is None:
                yield event


def _form(ws: Workspace, templates: Templates, name: str, made: dict[str, Form]) -> Form:
    """The form that a request was asked in; made once."""
    if name not in made:
        listed = name == "list"
        made[name] = (
            ListForm(ws.task, ws.config.generation.max_tokens, templates)
            if listed
            else ChatForm(ws.task, templates)
        )
    return made[name]


def _models(ws: Workspace) -> dict[str, ModelInfo]:
    """Run id to the model that it asked."""
    found: dict[str, ModelInfo] = defaultdict(lambda: ModelInfo(ws.config.vllm.model))
    for event in ws.ledger.events("run.started"):
        settings = event.payload.get("settings", {})
        found[event.subject] = ModelInfo(
            str(settings.get("model", ws.config.vllm.model)), str(settings.get("model_revision", ""))
        )
    return found


def _stored(ws: Workspace, event: Event) -> tuple[Plan, Completion] | None:
    """The plan and what came back, None if either was redacted."""
    payload = event.payload
    bodies = ws.ledger.bodies([payload["prompt_hash"], payload["raw_hash"]])
    if len(bodies) < len({payload["prompt_hash"], payload["raw_hash"]}):
        return None
    prompt: Any = bodies[payload["prompt_hash"]]
    sampling = dict(payload["sampling"])
    stop = tuple(sampling.pop("stop", ()))
    plan = Plan(
        index=payload["index"],
        strategy=payload["strategy"],
        request=Request(
            event.subject,
            prompt if isinstance(prompt, str) else tuple(prompt),
            Sampling(**sampling, stop=stop),
            model=payload.get("model", ""),
        ),
        fixed=payload["fixed"],
        seed_ids=tuple(payload["seed_ids"]),
        tags=tuple(payload.get("tags", ("core",))),
        repairs=payload.get("repairs"),
        drawn=int(payload.get("drawn", 0)),
    )
    choices = tuple(
        Choice(each["index"], each["text"], each["finish_reason"]) for each in bodies[payload["raw_hash"]]
    )
    usage = payload.get("usage", {})
    tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
    return plan, Completion(event.subject, choices, *tokens)


def _place(born: Mapping[str, Any]) -> tuple[str, int, int]:
    """Request, choice and item; a candidate's provenance leaves out zeros."""
    return str(born["request_id"]), int(born.get("choice", 0)), int(born.get("item", 0))


def _why(payload: Mapping[str, Any]) -> str:
    return f"{payload['filter']}: {payload['reason']}"
