"""The real stack: Redis, search, Argilla, its worker, and vLLM, with how each is started and what it needs.

Everything listens on 127.0.0.1 only. Keys go through environments and files of mode 600, never through arguments.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from seedgate.canonical import sha256
from seedgate.errors import InputError, ServiceError
from seedgate.files import atomic_write, os_errors
from seedgate.hardware import cpu_has_bfloat16
from seedgate.secrets import Secrets
from seedgate.services import health
from seedgate.services.argilla_venv import ArgillaVenv
from seedgate.services.commands import run
from seedgate.services.embedded_model import EmbeddedModel
from seedgate.services.layout import Layout, require_memory
from seedgate.services.ports import HOST, Ports
from seedgate.services.processes import Identity, marked
from seedgate.services.service import Context, Plan, Service, Step, Unhealthy
from seedgate.services.state import StackSpec
from seedgate.services.supervision import INSTALL, environment

__all__ = ["PUSHER", "plan"]

PUSHER = "seedgate-pusher"

OVERHEAD_GIB = 1.5  # three processes with torch, and a small model

REDIS_CONF = """\
# Written by `seedgate up`; changes are lost.
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {folder}
daemonize no
# Its own title would overwrite its environment, and with it the mark by which `down` knows it.
set-proc-title no
save 60 1
maxmemory-policy noeviction
"""


def plan(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
    """The services that `spec` wants, with the ports they claimed and the workspace's secrets."""
    argilla = _Argilla(layout, spec, ports) if "argilla" in spec.services else None
    vllm = _Vllm(layout, spec, ports) if "vllm" in spec.services else None
    return Plan(
        steps=(*(vllm.steps() if vllm else ()), *(argilla.steps() if argilla else ())),
        services=(*(vllm.services() if vllm else ()), *(argilla.services() if argilla else ())),
        argilla_url=argilla.url if argilla else None,
        vllm_url=f"{vllm.url}/v1" if vllm else None,
    )


class _Vllm:
    """vLLM's OpenAI-compatible server on the CPU."""

    def __init__(self, layout: Layout, spec: StackSpec, ports: Ports) -> None:
        self.layout = layout
        self.spec = spec
        self.port = ports.claim("vllm", spec.vllm_port)
        self.url = f"http://{HOST}:{self.port}"
        self.key = Secrets(layout.root).ensure("vllm_api_key")
        given = layout.root / Path(spec.model).expanduser()
        self.model = EmbeddedModel().folder if spec.model == "embedded" else given.resolve()

    def steps(self) -> tuple[Step, ...]:
        return (Step(name="model", run=self._prepare),)

    def services(self) -> tuple[Service, ...]:
        return (
            Service(
                name="vllm",
                command=self._command(),
                environment=self._environment(),
                directory=self.layout.stack,
                check=partial(health.vllm, self.url, self.key, self.spec.served_model),
                port=self.port,
                url=self.url,
                needs=("model",),
                patience_s=600,  # 30 s on two idle cores, minutes on busy ones
                settle_s=180,  # an engine that dies in its first requests counts as one that did not start
                stop_s=20,
            ),
        )

    def _prepare(self, context: Context) -> None:
        if find_spec("vllm") is None:
            raise ServiceError(f"vLLM is not installed in {sys.prefix}", hint=INSTALL)
        if self.spec.model == "embedded":
            EmbeddedModel().prepare(context.say, context.cancelled)
        elif not (self.model / "config.json").is_file():
            raise InputError(
                f"{self.model}: no model (no config.json)",
                hint="give the path of a model folder, or `embedded`",
            )
        if context.pid("vllm") is None:
            require_memory(self.spec.kv_cache_gib + OVERHEAD_GIB, "vLLM")

    def _command(self) -> tuple[str, ...]:
        spec = self.spec
        lora = (
            *(
                "--enable-lora",
                "--max-lora-rank",
                str(spec.max_lora_rank),
                "--max-loras",
                str(spec.max_loras),
            ),
            *("--worker-extension-cls", "seedgate.services.vllm_lora.GroupedLora"),
        )
        return (
            sys.executable,
            # The `vllm` command asks for a distribution named vllm, which the CPU build is not.
            *("-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self.model), "--served-model-name", spec.served_model),
            *("--host", HOST, "--port", str(self.port)),
            *("--max-model-len", str(spec.max_model_len)),
            "--enforce-eager",  # compiling takes a minute per start and gains little on a small model
            # A CPU without bfloat16 instructions is two to four times faster with float32.
            *("--dtype", "auto" if cpu_has_bfloat16() else "float32"),
            "--disable-uvicorn-access-log",
            *("--middleware", "seedgate.services.vllm_guard.RequireKey"),
            *(lora if spec.lora else ()),
            *spec.vllm_args,
        )

    def _environment(self) -> dict[str, str]:
        # VLLM_CPU_OMP_THREADS_BIND is left to vLLM, which keeps one core free of its threads. With both of two
        # cores (VLLM_CPU_NUM_OF_RESERVED_CPU=0) it made 400 tokens/s in place of 270 on an idle machine, but
        # 90 to 150 while another program used one core, as training or the generator does: threads that wait
        # for each other then mostly wait. Whoever has the machine to themselves may set it: VLLM_* is inherited.
        settings = {
            # Left to itself, vLLM finds the machine's outer address.
            "VLLM_HOST_IP": HOST,
            "VLLM_API_KEY": self.key,
            "VLLM_CPU_KVCACHE_SPACE": str(self.spec.kv_cache_gib),
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONWARNINGS": "ignore",
            # The engine renames its processes; without this their new names overwrite their environments,
            # and with them the mark by which `down` knows them.
            "SPT_NOENV": "1",
        }
        if self.spec.lora:
            # vLLM warns of this switch because whoever reaches the server can then load files. Here that is
            # whoever has the key: see vllm_guard.
            settings["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        return settings


class _Argilla:
    """Argilla's server and worker, with the search engine and the Redis that they need."""

    def __init__(self, layout: Layout, spec: StackSpec, ports: Ports) -> None:
        secrets = Secrets(layout.root)
        self.layout = layout
        self.venv = ArgillaVenv()
        self.port = ports.claim("argilla", spec.argilla_port)
        self.search_port = ports.claim("search")
        self.redis_port = ports.claim("redis")
        self.url = f"http://{HOST}:{self.port}"
        self.key = secrets.ensure("argilla_api_key")
        self.password = secrets.ensure("argilla_password")
        self.session_key = secrets.ensure("argilla_session_key")
        self.redis_password = secrets.ensure("redis_password")

    def steps(self) -> tuple[Step, ...]:
        return (
            Step(name="argilla-server", run=self._prepare),
            Step(name="argilla-data", run=self._ready_data, needs=("search",)),
            # 4,000 small files from the last time take seconds, while vLLM starts anyway.
            Step(name="cleaning", run=self._remove_old_temporary, needs=("argilla", "worker")),
        )

    def services(self) -> tuple[Service, ...]:
        return (self._redis(), self._search(), self._server(), self._worker())

    def _redis(self) -> Service:
        return Service(
            name="redis",
            command=(str(self.venv.redis), "redis.conf"),
            # A changed configuration makes a changed service, which is started anew.
            environment={"REDIS_CONF": sha256(self._redis_conf())},
            directory=self.layout.stack,
            check=partial(health.redis, self.redis_port, self.redis_password),
            port=self.redis_port,
            needs=("argilla-server",),
        )

    def _search(self) -> Service:
        return Service(
            name="search",
            # It ends when its standard input does, that is with supervisord.
            command=(str(self.venv.search), "-addr", f"{HOST}:{self.search_port}"),
            environment={},
            directory=self.layout.stack,
            check=partial(health.search, self.search_port),
            port=self.search_port,
            url=f"http://{HOST}:{self.search_port}",
            needs=("argilla-server",),
        )

    def _server(self) -> Service:
        return Service(
            name="argilla",
            command=self._argilla("start", "--host", HOST, "--port", str(self.port), "--no-access-log"),
            environment=self._environment(),
            directory=self.layout.argilla,
            check=self._check,
            port=self.port,
            url=self.url,
            needs=("redis", "search", "argilla-data"),
            patience_s=240,
        )

    def _worker(self) -> Service:
        return Service(
            name="worker",
            command=self._argilla("worker", "--num-workers", "1"),
            environment=self._environment(),
            directory=self.layout.argilla,
            check=partial(health.worker, self.redis_port, self.redis_password, self._workers),
            needs=("redis", "argilla-data"),
            patience_s=240,
        )

    def _argilla(self, *words: str) -> tuple[str, ...]:
        script = Path(__file__).with_name("argilla_server.py")
        return (str(self.venv.python), "-I", str(script), *words)

    def _environment(self) -> dict[str, str]:
        redis = f"redis://:{quote(self.redis_password, safe='')}@{HOST}:{self.redis_port}/0"
        return {
            "ARGILLA_HOME_PATH": str(self.layout.argilla),
            "ARGILLA_AUTH_SECRET_KEY": self.session_key,
            "ARGILLA_SEARCH_ENGINE": "opensearch",
            "ARGILLA_ELASTICSEARCH": f"http://{HOST}:{self.search_port}",
            "ARGILLA_REDIS_URL": redis,
            # By default any web page may call the API from a reviewer's browser.
            "ARGILLA_CORS_ORIGINS": json.dumps([self.url, f"http://localhost:{self.port}"]),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            # Each start leaves a copy of the web page in the temporary folder.
            "TMPDIR": str(self.layout.stack / "tmp"),
        }

    def _prepare(self, context: Context) -> None:
        self.venv.prepare(context.say, context.cancelled)
        with atomic_write(self.layout.stack / "redis.conf", mode=0o600) as file:
            file.write(self._redis_conf().encode())

    def _redis_conf(self) -> str:
        return REDIS_CONF.format(
            host=HOST,
            port=self.redis_port,
            password=redis_word(self.redis_password),
            folder=redis_word(str(self.layout.argilla)),
        )

    def _check(self) -> None:
        """Argilla knows the pusher, and its index is in the search process that runs now."""
        health.argilla(self.url, self.key, PUSHER)
        try:
            indexed = Identity.model_validate_json((self.layout.stack / "indexed.json").read_bytes())
        except (OSError, ValueError):
            raise Unhealthy("its search index has not been built") from None
        if not indexed.alive:
            raise Unhealthy("its search index was lost when the search engine was restarted")

    def _workers(self) -> set[int]:
        return {process.identity.pid for process in marked(self.layout.root) if process.service == "worker"}

    def _ready_data(self, context: Context) -> None:
        """Schema, account and index, unless the running Argilla has them."""
        try:
            self._check()
            return
        except Unhealthy:
            pass
        pid = context.pid("search")
        search = None if pid is None else Identity.of(pid)
        if search is None:
            raise ServiceError(f"search has died (log: {self.layout.log('search')})")
        self._set_temporary_aside(context)
        done = self._set_up(context)
        if done.get("account") != "kept":
            context.say(f"argilla: account {PUSHER} {done['account']}")
        if done.get("datasets"):
            context.say(f"argilla: indexed {done['records']} records of {done['datasets']} datasets")
        with atomic_write(self.layout.stack / "indexed.json", mode=0o600) as file:
            file.write(search.model_dump_json().encode())

    def _set_up(self, context: Context) -> Mapping[str, str]:
        context.say("argilla: database, account and search index")
        account = {"username": PUSHER, "password": self.password, "api_key": self.key}
        printed = run(
            [self.venv.python, "-I", Path(__file__).with_name("argilla_setup.py")],
            log=self.layout.log("argilla-setup"),
            what="setting up Argilla's data",
            environment=environment(self.layout, **self._environment()),
            directory=self.layout.argilla,
            stdin=json.dumps(account),
            cancelled=context.cancelled,
            timeout_s=3600,
            umask=0o077,
        )
        done: dict[str, str] = json.loads(printed.strip().splitlines()[-1])
        return done

    def _set_temporary_aside(self, context: Context) -> None:
        if context.pid("argilla") is None:
            folder = self.layout.stack / "tmp"
            with os_errors(folder, "clearing"):
                folder.rename(folder.with_name(f"old-{time.time_ns()}"))
                folder.mkdir(mode=0o700)

    def _remove_old_temporary(self, context: Context) -> None:
        for folder in self.layout.stack.glob("old-*"):
            shutil.rmtree(folder, ignore_errors=True)


def redis_word(text: str) -> str:
    r"""A value as redis.conf wants it.

    >>> print(redis_word('say "\\" '))
    "say \"\\\" "
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
