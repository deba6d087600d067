"""Adapters in a running vLLM server: loaded for a measurement, unloaded after it.

The routes exist when the server was started with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING
(vLLM 0.32, `entrypoints/serve/lora/api_router.py`); without the variable they answer 404. The server reads
the folder itself, so it must be on the same disk. A server that was started with the adapter, or with the
merged model, under the model's name needs none of this.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from seedgate.errors import ServiceError
from seedgate.finetune.records import TrainedModel
from seedgate.generator.clients.wire import refusal

__all__ = ["Served", "served_model"]

LOAD_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Served:
    """Where a model answers, and by what name."""

    urls: tuple[str, ...]
    name: str


@asynccontextmanager
async def served_model(urls: tuple[str, ...], key: str | None, model: TrainedModel) -> AsyncIterator[Served]:
    """The endpoints that serve a trained model while the block runs.

    Raises:
        ServiceError: No endpoint can be reached, or one does not take the adapter; says what to set.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(headers=headers, timeout=LOAD_TIMEOUT_S, trust_env=False) as http:
        served = await _served_names(http, urls)
        already = tuple(url for url, names in served.items() if model.name in names)
        if already:
            yield Served(already, model.name)
            return
        if model.weights != "adapter":
            raise ServiceError(
                f"model {model.name} is no adapter, and no server serves it",
                hint=f"serve {model.weights_path} with --served-model-name {model.name},"
                " and give its address in SEEDGATE_VLLM_URLS",
            )
        name = f"{model.name}-{secrets.token_hex(4)}"
        loaded: list[str] = []
        try:
            for url in served:
                await _load(http, url, name, model)
                loaded.append(url)
            yield Served(tuple(loaded), name)
        finally:
            for url in loaded:
                await _unload(http, url, name)


async def _served_names(http: httpx.AsyncClient, urls: tuple[str, ...]) -> dict[str, set[str]]:
    """Endpoints that answer, and the names they serve."""
    found: dict[str, set[str]] = {}
    faults: list[str] = []
    for url in dict.fromkeys(url.rstrip("/") for url in urls):
        try:
            answer = await http.get(f"{url}/models")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            faults.append(f"{url}: {error or type(error).__name__}")
            continue
        if answer.status_code != 200:
            raise refusal(answer, url)
        try:
            found[url] = {str(entry["id"]) for entry in json.loads(answer.content)["data"]}
        except (ValueError, KeyError, TypeError):
            raise ServiceError(
                f"{url}: /models is not vLLM's", hint="give the address of a vLLM server, with /v1"
            ) from None
    if not found:
        raise ServiceError(
            f"no vLLM endpoint can be used ({'; '.join(faults)})",
            hint="start it with `seedgate up`, or give the address in SEEDGATE_VLLM_URLS or [vllm] urls",
        )
    return found


async def _load(http: httpx.AsyncClient, url: str, name: str, model: TrainedModel) -> None:
    body = {"lora_name": name, "lora_path": str(model.weights_path)}
    try:
        answer = await http.post(f"{url}/load_lora_adapter", json=body)
    except httpx.HTTPError as error:
        raise ServiceError(f"{url}: loading the adapter failed: {error or type(error).__name__}") from None
    if answer.status_code == 200:
        return
    said = " ".join(answer.text.split())[:300]
    if answer.status_code in (404, 405) and "Not Found" in said and "adapter" not in said.lower():
        raise ServiceError(
            f"{url}: the server loads no adapters while it runs",
            hint="start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or with"
            f" --enable-lora --lora-modules {model.name}={model.weights_path}",
        )
    raise ServiceError(
        f"{url}: the server did not take the adapter ({answer.status_code}): {said}",
        hint=f"it must serve the adapter's base model with --max-lora-rank of at least the adapter's"
        f" ({model.settings.get('lora_rank')}) and be able to read {model.weights_path}",
    )


async def _unload(http: httpx.AsyncClient, url: str, name: str) -> None:
    try:
        await http.post(f"{url}/unload_lora_adapter", json={"lora_name": name})
    except httpx.HTTPError:
        # The measurement stands; a server that is gone has unloaded it.
        return
