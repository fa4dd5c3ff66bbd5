"""Run Lightning's trainer on the heads: early stopping, checkpoints, resuming, Ctrl-C."""

import logging
import signal
import warnings
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor

from model.config import RunConfig
from model.errors import ConfigError
from model.progress import Step, track_step
from model.table import RatingScale
from model.training.curve import CurveRecorder, write_curve
from model.training.module import HeadDataModule, HeadModule, HeadRows, SpreadModule
from model.training.network import Heads, Intervals, standardise
from model.training.threads import one_thread

MIN_VARIANCE = 1e-4
"""Stars squared; errors that are all zero still have a spread."""
TRUSTED_ROWS = 500
"""What heads have learned from this many rows is believed by half: with a few hundred they fit noise."""
COVERAGE = 0.8
"""Share of the actual ratings that the intervals are calibrated to hold."""


def require_accelerator(name: str) -> None:
    """Make sure that an accelerator is there, as Lightning finds it.

    Args:
        name: auto, cpu or gpu.

    Raises:
        ConfigError: if it is not.
    """
    if name == "gpu" and not (CUDAAccelerator.is_available() or MPSAccelerator.is_available()):
        raise ConfigError("accelerator is gpu, and PyTorch finds none here: expected auto or cpu")


def fit_intervals(
    rows: HeadRows,
    is_validation: Tensor,
    is_shortened: Tensor,
    scale: RatingScale,
    config: RunConfig,
    folder: Path,
) -> Intervals:
    """Train the intervals around predictions, and calibrate them on the held-out rows.

    They reach equally far to both sides: as many standard deviations as cover the wanted share of the errors
    (split conformal prediction), so that coverage does not rest on the errors being Gaussian. A reach for
    each side would be less certain where rows are few, and the intervals 1 % wider. The heads' own training
    rows calibrate too: heads of a few thousand weights hardly fit them closer than others, and the few users
    of the validation rows alone give a less certain reach (coverage on four splits of validation data 78.8 to
    79.5 % with those alone, 79.4 to 79.9 % with all).

    Args:
        rows: what the heads were trained on and validated with; their bases are the predictions.
        is_validation: bool (n,) the rows that only decide when to stop.
        is_shortened: bool (n,) the rows whose history was cut short. Where the heads can tell them apart they
            would make the others' intervals too wide: beside n whole ones they count 500 / (500 + n) each.
        scale: the stars that the data set uses.
        config: the run's configuration.
        folder: where the checkpoints are kept; training resumes from the last one there.

    Source: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-free predictive inference for
        regression, JASA 2018, section 5.2 (locally weighted).
    """
    errors = rows.stars - rows.bases
    start = float(errors[~is_validation].square().mean().clamp_min(MIN_VARIANCE).log() / 2)
    spread_heads = fit_heads(
        rows, is_validation, scale, config, folder, build_module=SpreadModule, start=start
    )
    with torch.no_grad():
        deviations = spread_heads(rows.inputs).mean(0).exp()
    n_whole = int((~is_shortened).sum())
    weights = torch.where(is_shortened, TRUSTED_ROWS / (TRUSTED_ROWS + n_whole), 1.0)
    reach = compute_quantile((errors / deviations).abs(), weights, COVERAGE)
    return Intervals(spread_heads, torch.tensor([-reach, reach]))


def compute_quantile(values: Tensor, weights: Tensor, share: float) -> float:
    """Compute the value below which a share of the weight lies, each value's own counted by half.

    Args:
        values: (n,) one or more.
        weights: (n,) zero or more.
        share: from 0 to 1.

    Returns:
        Interpolated between values.
    """
    order = np.argsort(values.numpy(), kind="stable")
    sorted_weights = weights.numpy()[order].astype(np.float64)
    below = np.cumsum(sorted_weights) - sorted_weights / 2
    return float(np.interp(share * sorted_weights.sum(), below, values.numpy()[order]))


def fit_heads(
    rows: HeadRows,
    is_validation: Tensor,
    scale: RatingScale,
    config: RunConfig,
    folder: Path,
    *,
    build_module: type[HeadModule] = HeadModule,
    start: float = 0.0,
) -> Heads:
    """Train heads with Lightning and return those of the best epoch, less sure of themselves after few rows.

    Args:
        rows: what to train on and to validate with.
        is_validation: bool (n,) the rows that only decide when to stop.
        scale: the stars that the data set uses.
        config: the run's configuration.
        folder: where the checkpoints are kept; training resumes from the last one there, and finished heads
            are read back.
        build_module: what to train them for.
        start: what the heads give before training.

    Raises:
        ConfigError: if training diverges.
        KeyboardInterrupt: after Ctrl-C; the last whole epoch is in the folder.
    """
    torch.manual_seed(config.training.seed)
    training, validation = rows.take(~is_validation), rows.take(is_validation)
    network = config.network
    heads = Heads(
        *standardise(training.inputs),
        hidden_size=network.hidden_size,
        n_heads=network.n_heads,
        start=start,
    )
    module = build_module(heads, config, low=scale.low, high=scale.high)
    finished = folder / "finished.ckpt"
    if not finished.exists():
        _train(module, training, validation, config, folder).rename(finished)
    module.load_state_dict(torch.load(finished, map_location="cpu", weights_only=True)["state_dict"])
    heads = module.heads.cpu()
    heads.shrink(len(training.stars) / (len(training.stars) + TRUSTED_ROWS))
    return heads


def _train(
    module: HeadModule, training: HeadRows, validation: HeadRows, config: RunConfig, folder: Path
) -> Path:
    """Train, from the folder's last checkpoint where there is one; the checkpoint of the best epoch."""
    data = HeadDataModule(training, validation, batch_size=config.training.batch_size)
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=module.monitored,
        save_last=True,
        enable_version_counter=False,
    )
    recorder = CurveRecorder()
    last = folder / "last.ckpt"
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    on_interrupt = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        # the rows are in memory: worker processes would only copy them
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # whoever says cpu means it
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        # Lightning 2.6 flattens its data loaders through a class that torch 2.13 deprecates
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        try:
            with (
                one_thread(),
                track_step(module.progress, total=config.training.epochs, unit="epochs") as step,
            ):
                _build_trainer(config, best, recorder, step).fit(
                    module, data, ckpt_path=last if last.exists() else None, weights_only=True
                )
        except SystemExit as error:
            # Lightning turns Ctrl-C into an exit of its own and leaves the signal ignored
            signal.signal(signal.SIGINT, on_interrupt)
            raise KeyboardInterrupt from error
    score = best.best_model_score
    if score is None or not score.isfinite():
        raise ConfigError(
            f"training diverged at learning_rate {config.training.learning_rate:g}: expected a smaller one"
        )
    write_curve(folder, recorder.epochs)
    return Path(best.best_model_path)


class _EpochCounter(Callback):
    """Shows each epoch that is over."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # ruff: ignore[unused-method-argument] - Lightning's signature
        """Count what is done, epochs before a resumption included."""
        self._step.reach(trainer.current_epoch + 1, self._step.total)


def _build_trainer(
    config: RunConfig, best: ModelCheckpoint, recorder: CurveRecorder, step: Step
) -> pl.Trainer:
    return pl.Trainer(
        accelerator=config.training.accelerator,
        devices=1,
        max_epochs=config.training.epochs,
        callbacks=[
            best,
            recorder,
            EarlyStopping(str(best.monitor), patience=config.training.patience),
            _EpochCounter(step),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
