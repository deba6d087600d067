"""Early stopping: training ends when the loss on held-out training rows no longer falls, and the best weights are kept.

The rows are a slice of what would have been trained on (`[training] early_stopping`, a share). The locked evaluation
set is never watched: a model that was chosen by it could not be measured by it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["watching_callback"]

PATIENCE = 2
"""Epochs without a better loss before training ends."""


def watching_callback(rows: int) -> Any:
    """Watches so many held-out rows; with none, it does nothing. After a resume the best is looked for anew."""
    from transformers import TrainerCallback

    class Watching(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.best, self.worse = float("inf"), 0
            self.weights: dict[str, Any] = {}

        def on_evaluate(
            self, args: Any, state: Any, control: Any, metrics: Any = None, model: Any = None, **_: Any
        ) -> None:
            loss = float(metrics["eval_loss"])
            if loss < self.best:
                trained = ((name, each) for name, each in model.named_parameters() if each.requires_grad)
                self.weights = {name: each.detach().clone() for name, each in trained}
                self.best, self.worse = loss, 0
                return
            self.worse += 1
            if self.worse >= PATIENCE:
                control.should_training_stop = True

        def restore(self, model: Any) -> None:
            """Puts the best weights back."""
            import torch

            with torch.no_grad():
                for name, each in model.named_parameters():
                    if name in self.weights:
                        each.copy_(self.weights[name])

        def told(self) -> dict[str, Any]:
            """For the model's record."""
            return {"held_out": rows, "held_out_loss": round(self.best, 4)} if rows else {}

    return Watching()
