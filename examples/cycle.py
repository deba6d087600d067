"""One cycle with the Python API, cell by cell (`# %%`), for a notebook or as `python examples/cycle.py WORKSPACE`."""

# %% [markdown]
# # One cycle from Python
#
# Each cell can be run in a notebook or, as a whole, as `python examples/cycle.py WORKSPACE`. It takes the cycle as far
# as it goes without people, and shows where it stands.

# %%
import sys

from seedgate import Workspace
from seedgate.cycle import budget_spent, cycle_state, plan, steps
from seedgate.errors import WaitingError

ws = Workspace(sys.argv[1] if len(sys.argv) > 1 else ".")
print("plan:", " -> ".join(plan(ws)) or budget_spent(ws))

# %% [markdown]
# Every step says what it did. Where people are needed, `steps` stops; run the cell again once they have decided.

# %%
try:
    state = cycle_state(ws)
    for step, report in steps(ws, stop_after=state.number + (not state.running)):
        print(f"[{step}] {report or ''}")
except WaitingError as waiting:
    print(waiting)

# %% [markdown]
# What was decided, as plain values: the gate's word on each candidate, always with its reason.

# %%
from collections import Counter

from seedgate.review import decisions

print(Counter(f"{each.outcome}: {each.reason}" for each in decisions(ws).values()).most_common(10))

# %% [markdown]
# The newest release opens with `datasets` as it stands; `verify_release` says first that it is what the ledger knows.

# %%
from seedgate.finetune import verify_release

newest = ws.ledger.last("release.created")
if newest is not None:
    manifest = verify_release(ws, newest.subject)
    print(f"{manifest.name}: {manifest.counts.seeds} seeds, {manifest.counts.approved} approved rows")
ws.close()
