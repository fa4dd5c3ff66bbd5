"""The Lightning side: training the heads on the RMSE, with the rows held in memory."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from model.config import RunConfig
from model.training.network import Heads

VALIDATION_RMSE = "validation_rmse"
TRAINING_RMSE = "training_rmse"
VALIDATION_SURPRISE = "validation_surprise"


@dataclass(frozen=True, slots=True, eq=False)
class HeadRows:
    """What the heads are trained on."""

    inputs: Tensor
    """float32 (n, n_inputs)."""
    bases: Tensor
    """float32 (n,) what the heads correct, stars."""
    stars: Tensor
    """float32 (n,) actual ratings."""

    def take(self, rows: Tensor) -> "HeadRows":
        """Some of the rows.

        Args:
            rows: a mask or row numbers.
        """
        return HeadRows(self.inputs[rows], self.bases[rows], self.stars[rows])


class HeadDataModule(pl.LightningDataModule):
    """Serves the heads' training and validation rows in batches.

    Args:
        training: rows to learn from.
        validation: rows that decide when to stop.
        batch_size: rows a step.
    """

    def __init__(self, training: HeadRows, validation: HeadRows, *, batch_size: int) -> None:
        super().__init__()
        self._training, self._validation, self._batch_size = training, validation, batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches."""
        return self._load(self._training, batch_size=self._batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Everything, in large batches."""
        return self._load(self._validation, batch_size=65_536, shuffle=False)

    @staticmethod
    def _load(rows: HeadRows, *, batch_size: int, shuffle: bool) -> DataLoader[Any]:
        dataset = TensorDataset(rows.inputs, rows.bases, rows.stars)
        # whole batches are indexed at once: collating single rows would take most of the time
        sampler = torch.utils.data.BatchSampler(
            torch.utils.data.RandomSampler(dataset)
            if shuffle
            else torch.utils.data.SequentialSampler(dataset),
            batch_size=batch_size,
            drop_last=False,
        )
        return DataLoader(dataset, sampler=sampler, batch_size=None)


class HeadModule(pl.LightningModule):
    """Trains the prediction's heads: the loss of each is its own RMSE, so that they stay different.

    Args:
        heads: the network's trainable part.
        config: the run's configuration; enters the checkpoint.
        low: lowest rating of the scale, stars.
        high: highest rating of the scale, stars.
    """

    monitored: ClassVar[str] = VALIDATION_RMSE
    """The logged quantity that decides when training stops."""
    progress: ClassVar[str] = "training the heads"
    """What the reader is told while it trains."""

    def __init__(self, heads: Heads, config: RunConfig, *, low: float, high: float) -> None:
        super().__init__()
        self.heads = heads
        self.low, self.high = low, high
        self._training = config.training
        self.save_hyperparameters(config.to_json())
        self._collected: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> Tensor:
        """The mean over heads of each head's RMSE on the batch, stars."""
        inputs, bases, stars = batch
        loss = compute_rmse(bases + self.heads(inputs), stars).mean()
        self.log(TRAINING_RMSE, loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(stars))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> None:
        """Collect the squared errors of the averaged, clipped prediction."""
        inputs, bases, stars = batch
        predicted = (bases + self.heads(inputs)).mean(0).clamp(self.low, self.high)
        self._collected.append((predicted - stars) ** 2)

    def on_validation_epoch_end(self) -> None:
        """Log the RMSE over all validation rows, stars."""
        self.log(VALIDATION_RMSE, torch.cat(self._collected).mean().sqrt(), prog_bar=True)
        self._collected.clear()

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle learning rate; biases are not decayed."""
        groups = [
            {"params": list(self.heads.weights), "weight_decay": self._training.weight_decay},
            {"params": list(self.heads.biases), "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=self._training.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=self._training.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class SpreadModule(HeadModule):
    """Trains the intervals' heads: how far the actual ratings spread around the predictions.

    The rows' bases are the predictions. The loss of each head is the negative log likelihood, up to a
    constant, of Gaussian errors whose log standard deviation the head gives.
    """

    monitored = VALIDATION_SURPRISE
    progress = "training the intervals"

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> Tensor:
        """The mean over heads of each head's loss on the batch."""
        inputs, bases, stars = batch
        return _compute_surprise(self.heads(inputs), stars - bases).mean()

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> None:
        """Collect the losses of the averaged heads."""
        inputs, bases, stars = batch
        self._collected.append(_compute_surprise(self.heads(inputs).mean(0), stars - bases))

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss over all validation rows."""
        self.log(VALIDATION_SURPRISE, torch.cat(self._collected).mean(), prog_bar=True)
        self._collected.clear()


def _compute_surprise(log_deviations: Tensor, errors: Tensor) -> Tensor:
    return log_deviations + 0.5 * (errors * (-log_deviations).exp()) ** 2


def compute_rmse(predicted: Tensor, stars: Tensor) -> Tensor:
    """The RMSE over the last dimension, stars; its gradient stays finite where every error is zero."""
    return (
        nn.functional
        .mse_loss(predicted, stars.expand_as(predicted), reduction="none")
        .mean(-1)
        .add(1e-12)
        .sqrt()
    )
