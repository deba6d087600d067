"""Where training goes on after `kill -9`: checkpoints that the ledger knows by their files' hashes.

A checkpoint is weights that somebody could have put there, so only one whose files are those that an event names is
gone on from (G10), and only for the same release and settings. Rows come in the order that an uninterrupted run has.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedgate.finetune.folders import file_entries, folder_faults
from seedgate.finetune.records import FileEntry
from seedgate.ledger import Lease, NewEvent

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Checkpoints", "checkpoint_callback", "order_callback"]

SAVE_EVERY_S = 60.0
"""Seconds of training that a kill may cost, and the step that it interrupts."""


class Checkpoints:
    """Those of one model that is being trained.

    Args:
        ws: The workspace.
        lease: Of training; it is checked with each event.
        name: The model's.
        manifest_hash: Of the release.
        settings: That make a difference to the model.
    """

    def __init__(
        self, ws: Workspace, lease: Lease, name: str, manifest_hash: str, settings: dict[str, Any]
    ) -> None:
        self._ws = ws
        self._lease = lease
        self.name = name
        self._proof = {"manifest_hash": manifest_hash, "settings": settings}
        self.folder = ws.state_dir / "training" / name
        """Where the trainer writes them."""
        self.logs = ws.state_dir / "logs" / "training" / name
        """Where TensorBoard writes its own, which stay."""

    def newest(self) -> Path | None:
        """The newest one that is whole and of this training; what lies there of others goes."""
        parent = self.folder.parent
        for other in parent.iterdir() if parent.is_dir() else ():
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        events = self._ws.ledger.events("model.checkpointed", subject=self.name, newest_first=True)
        for event in events:
            path = self.folder / f"checkpoint-{event.payload['step']}"
            if {key: event.payload[key] for key in self._proof} != self._proof or not path.is_dir():
                continue
            files = {at: FileEntry.model_validate(entry) for at, entry in event.payload["files"].items()}
            if next(folder_faults(path, files, where=path.name), None) is None:
                return path
        return None

    def saved(self, step: int) -> None:
        """Makes the checkpoint of that step count."""
        files = file_entries(self.folder / f"checkpoint-{step}")
        payload = {
            "step": step,
            **self._proof,
            "files": {path: entry.model_dump() for path, entry in files.items()},
        }
        self._ws.ledger.append([NewEvent("model.checkpointed", self.name, payload)], lease=self._lease)

    def remove(self) -> None:
        """Takes them away: the model is there."""
        shutil.rmtree(self.folder, ignore_errors=True)


def checkpoint_callback(checkpoints: Checkpoints) -> Any:
    """Saves every `SAVE_EVERY_S` seconds, and tells what was saved."""
    from transformers import TrainerCallback

    class Saving(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.last = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if time.monotonic() - self.last >= SAVE_EVERY_S and state.global_step < state.max_steps:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.last = time.monotonic()
            checkpoints.saved(state.global_step)

    return Saving()


def order_callback(order: Any, seed: int) -> Any:
    """Makes the order of an epoch's rows depend on seed and epoch alone, so that a resumed one has it too."""
    from transformers import TrainerCallback

    class Ordering(TrainerCallback):  # type: ignore[misc]
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            order.manual_seed(seed * 1_000_003 + int((state.epoch or 0) + 1e-6))

    return Ordering()
