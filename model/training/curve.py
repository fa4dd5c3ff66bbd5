"""Learning curves: what Lightning logged after each epoch, kept across interruptions."""

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

FILE_NAME = "curve.json"

Epoch = dict[str, float]
"""The quantities logged after an epoch, by name; RMSEs in stars."""


class CurveRecorder(pl.Callback):
    """Keeps what the module logs; part of every checkpoint, so that a resumed run goes on from there."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        """One for each whole epoch, in order."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch; Lightning saves checkpoints only after this."""
        del pl_module  # Lightning passes both by name
        self.epochs.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint was saved."""
        self.epochs = list(state_dict["epochs"])


def write_curve(folder: Path, epochs: list[Epoch]) -> None:
    """Write a finished training's curve beside its checkpoints."""
    (folder / FILE_NAME).write_text(json.dumps(epochs) + "\n", encoding="utf-8")


def read_curve(folder: Path) -> list[Epoch]:
    """Read the curve of a finished training from its folder."""
    epochs: list[Epoch] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return epochs
