"""The embedded stack: vLLM, Argilla and what they need, started on the loopback without Docker.

from pathlib import Path
from seedgate.services import StackSpec, down, status, up

state = up(Path("workspace"), StackSpec(), print)
print(state.argilla_url, state.vllm_url)
down(Path("workspace"))
"""

from seedgate.services.stack import down, read_state, status, up
from seedgate.services.state import ServiceStatus, StackSpec, StackState, served_rank

__all__ = ["ServiceStatus", "StackSpec", "StackState", "down", "read_state", "served_rank", "status", "up"]
