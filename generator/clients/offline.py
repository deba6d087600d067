"""The client without a server: `vllm.LLM` in this process, for a machine that has nothing but a GPU and a script.

`LLM.generate` returns when the last of its prompts is done; here its engine is stepped by a thread that takes new
requests between two steps, so that the stream never waits for a batch to end.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from queue import SimpleQueue
from typing import Any

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request
from seedgate.generator.clients.wire import advice
from seedgate.hardware import cpu_has_bfloat16
from seedgate.services.keeper import kept

__all__ = ["OfflineClient"]

_CPU_DEFAULTS: dict[str, Any] = {"max_model_len": 2048, "enforce_eager": True}
_CPU_LORA = "seedgate.services.vllm_lora.GroupedLora"
"""vLLM's own kernels for a CPU mix base model and adapters where every slot is in use, and are slow."""
_ENVIRONMENT = {
    # vLLM logs to standard output, where a command's JSON goes.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    # A forked engine would hold the pipe by which the keeper sees that this process is gone.
    "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
    "SPT_NOENV": "1",  # the engine's new names for its processes must not overwrite the mark in their environments
}


@dataclass(frozen=True)
class _Asked:
    request: Request
    answer: asyncio.Future[Completion]


class OfflineClient:
    """Completes requests with a model that this process loads.

    Args:
        model: A folder, or a name on the hub.
        name: What the model is called in the ledger.
        adapters: What a request may name as its model, to the folder of a LoRA adapter and its rank; an empty name
            stands for the requests that name none.
        engine: Arguments of `vllm.LLM` that are to differ from the defaults.

    Example:
        >>> client = OfflineClient("models/SmolLM2-135M-Instruct", name="smollm2-135m")  # doctest: +SKIP
        >>> await client.start()  # doctest: +SKIP
        ModelInfo(name='smollm2-135m', revision='SmolLM2-135M-Instruct', max_tokens=2048)
    """

    def __init__(
        self,
        model: str,
        *,
        name: str,
        adapters: Mapping[str, tuple[Path, int]] | None = None,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.name = model, name
        self._adapters = dict(adapters or {})
        self._engine = dict(engine or {})
        self._inbox: SimpleQueue[_Asked | str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._fault: ServiceError | None = None
        self._loading = True

    @property
    def room(self) -> None:
        """See `Client.room`: the engine queues what it cannot run yet."""

    async def start(self) -> ModelInfo:
        """Loads the model, which takes from seconds to minutes.

        Raises:
            ServiceError: vLLM is not installed, or it cannot load the model.
        """
        self._loop = asyncio.get_running_loop()
        ready: asyncio.Future[ModelInfo] = self._loop.create_future()
        # A daemon: the program can end while the model loads.
        self._thread = threading.Thread(target=self._work, args=(ready,), name="vllm", daemon=True)
        self._thread.start()
        return await ready

    async def complete(self, request: Request) -> Completion:
        """See `Client.complete`."""
        if self._fault is not None:
            raise self._fault
        answer: asyncio.Future[Completion] = self._loop.create_future()
        self._inbox.put(_Asked(request, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self._inbox.put(request.id)
            raise

    async def aclose(self) -> None:
        """Ends the engine and gives back its memory; one that still loads ends itself, or with this process."""
        if self._thread is not None:
            self._inbox.put(None)
            if not self._loading:
                await asyncio.to_thread(self._thread.join)
            self._thread = None

    # -- in the thread ---------------------------------------------------------------------------------

    def _work(self, ready: asyncio.Future[ModelInfo]) -> None:
        with kept():
            self._run(ready)

    def _run(self, ready: asyncio.Future[ModelInfo]) -> None:
        try:
            llm = self._load()
            info = self._info(llm)
        except BaseException as error:
            self._loading = False
            self._tell(ready, error=_explained(self.model, error))
            return
        self._loading = False
        self._tell(ready, info)
        asked: dict[str, _Asked] = {}
        try:
            self._serve(llm, asked)
        except Exception as error:
            self._fault = ServiceError(
                f"vLLM's engine died: {_line(error)}",
                hint="look at what it printed, then run the command again: everything that had come back is kept",
            )
            while not self._inbox.empty():
                if isinstance(item := self._inbox.get(), _Asked):
                    asked[item.request.id] = item
            for each in asked.values():
                self._tell(each.answer, error=self._fault)
        finally:
            llm.llm_engine.engine_core.shutdown()

    def _load(self) -> Any:
        for key, value in _ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        from vllm import LLM
        from vllm.platforms import current_platform

        defaults: dict[str, Any] = {}
        if current_platform.is_cpu():
            defaults = _CPU_DEFAULTS | {"dtype": "auto" if cpu_has_bfloat16() else "float32"}
        if self._adapters:
            rank = max(rank for _, rank in self._adapters.values())
            defaults |= {"enable_lora": True, "max_lora_rank": rank, "max_loras": len(self._adapters)}
            if current_platform.is_cpu():
                defaults["worker_extension_cls"] = _CPU_LORA
        return LLM(self.model, **(defaults | self._engine))

    def _info(self, llm: Any) -> ModelInfo:
        revision = PurePath(self.model).name if PurePath(self.model).is_absolute() else self.model
        longest = llm.llm_engine.model_config.max_model_len
        return ModelInfo(self.name, "" if revision == self.name else revision, longest)

    def _serve(self, llm: Any, asked: dict[str, _Asked]) -> None:
        """Takes requests between the engine's steps until it is told to end."""
        engine = llm.llm_engine
        while True:
            while not asked or not self._inbox.empty():
                item = self._inbox.get()
                if item is None:
                    return
                if isinstance(item, str):
                    if asked.pop(item, None) is not None:
                        engine.abort_request([item])
                elif self._add(llm, item):
                    asked[item.request.id] = item
            for output in engine.step():
                if output.finished and (found := asked.pop(output.request_id, None)) is not None:
                    self._tell(found.answer, _completion(found.request, output))

    def _add(self, llm: Any, item: _Asked) -> bool:
        try:
            prompt = _prompt(llm, item.request)
            asked = item.request.id, prompt, _parameters(item.request)
            llm.llm_engine.add_request(*asked, lora_request=self._lora(item.request))
        except (ValueError, TypeError) as error:
            said = _line(error)
            self._tell(item.answer, error=ServiceError(f"the request was refused: {said}", hint=advice(said)))
            return False
        return True

    def _lora(self, request: Request) -> Any:
        """The adapter that is to answer, None for the model itself."""
        from vllm.lora.request import LoRARequest

        if request.model not in self._adapters:
            return None
        number = list(self._adapters).index(request.model) + 1
        return LoRARequest(request.model or "adapter", number, str(self._adapters[request.model][0]))

    def _tell(self, future: asyncio.Future[Any], result: Any = None, error: Exception | None = None) -> None:
        def settle() -> None:
            if future.done():  # cancelled
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle)


def _prompt(llm: Any, request: Request) -> Any:
    """What the engine takes: the tokens of a text as it is, of messages through the model's chat template.

    Raises:
        ValueError: It is too long. The engine itself would never begin it, and never say so.
    """
    tokenizer = llm.get_tokenizer()
    if isinstance(request.prompt, str):
        tokens = tokenizer.encode(request.prompt)
    else:
        messages = [dict(message) for message in request.prompt]
        tokens = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    longest, most = llm.llm_engine.model_config.max_model_len, request.sampling.max_tokens
    if len(tokens) + most > longest:
        raise ValueError(
            f"the model's context length is {longest} tokens, the prompt has {len(tokens)}, and max_tokens is {most}"
        )
    return {"prompt_token_ids": list(tokens)}


def _parameters(request: Request) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    constraint = None
    if request.choices:
        constraint = StructuredOutputsParams(choice=list(request.choices))
    elif request.json_schema is not None:
        constraint = StructuredOutputsParams(json=dict(request.json_schema))
    return SamplingParams(
        **request.sampling.as_dict(),
        structured_outputs=constraint,
        prompt_logprobs=0 if request.prompt_logprobs else None,
        logprobs=request.logprobs or None,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completion(request: Request, output: Any) -> Completion:
    choices = tuple(
        # Unpaired surrogates are no Unicode and could not be stored.
        Choice(
            int(each.index),
            each.text.encode("utf-8", "replace").decode(),
            each.finish_reason,
            tuple(_told(place) for place in each.logprobs or ()),
        )
        for each in sorted(output.outputs, key=lambda each: each.index)
    )
    tokens = sum(len(each.token_ids) for each in output.outputs)
    # The first of each place is the token itself; the first place of a prompt has none.
    own = tuple(float(next(iter(each.values())).logprob) for each in (output.prompt_logprobs or ())[1:])
    return Completion(request.id, choices, len(output.prompt_token_ids or ()), tokens, own)


def _told(place: Any) -> dict[str, float]:
    return {str(each.decoded_token): float(each.logprob) for each in place.values()}


def _explained(model: str, error: BaseException) -> ServiceError:
    if isinstance(error, ModuleNotFoundError) and error.name == "vllm":
        return ServiceError(
            "vLLM is not installed in this environment",
            hint="pip install 'seedgate[vllm]', or give [vllm] urls",
        )
    return ServiceError(
        f"vLLM cannot load {model}: {_line(error)}",
        hint="look at what it printed above; [vllm.engine] in seedgate.toml takes the arguments of vllm.LLM",
    )


def _line(error: BaseException) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 300 else said[:297] + "..."
