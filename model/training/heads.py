"""Run Lightning's trainer on the heads: early stopping, checkpoints, resuming, Ctrl-C."""

import logging
import signal
import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import Tensor

from model.config import RunConfig
from model.errors import ConfigError
from model.table import RatingScale
from model.training.module import VALIDATION_RMSE, HeadDataModule, HeadModule, HeadRows
from model.training.network import Heads, standardise


def fit_heads(
    rows: HeadRows, is_validation: Tensor, scale: RatingScale, config: RunConfig, folder: Path
) -> Heads:
    """Train heads with Lightning and return those of the best epoch.

    Args:
        rows: what to train on and to validate with.
        is_validation: bool (n,) the rows that only decide when to stop.
        scale: the stars that the data set uses.
        config: the run's configuration.
        folder: where the checkpoints are kept; training resumes from the last one there.

    Raises:
        ConfigError: if there is no such accelerator here.
        KeyboardInterrupt: after Ctrl-C; the last whole epoch is in the folder.
    """
    torch.manual_seed(config.training.seed)
    training, validation = rows.take(~is_validation), rows.take(is_validation)
    network = config.network
    heads = Heads(*standardise(training.inputs), hidden_size=network.hidden_size, n_heads=network.n_heads)
    module = HeadModule(heads, config, low=scale.low, high=scale.high)
    data = HeadDataModule(training, validation, batch_size=config.training.batch_size)
    best = ModelCheckpoint(
        dirpath=folder, filename="best", monitor=VALIDATION_RMSE, save_last=True, enable_version_counter=False
    )
    last = folder / "last.ckpt"
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    on_interrupt = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        # the rows are in memory: worker processes would only copy them
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # Lightning 2.6 flattens its data loaders through a class that torch 2.13 deprecates
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        try:
            _build_trainer(config, best).fit(
                module, data, ckpt_path=last if last.exists() else None, weights_only=True
            )
        except SystemExit as error:
            # Lightning turns Ctrl-C into an exit of its own and leaves the signal ignored
            signal.signal(signal.SIGINT, on_interrupt)
            raise KeyboardInterrupt from error
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    return module.heads.cpu()


def _build_trainer(config: RunConfig, best: ModelCheckpoint) -> pl.Trainer:
    on_terminal = sys.stderr.isatty()
    try:
        return pl.Trainer(
            accelerator=config.training.accelerator,
            devices=1,
            max_epochs=config.training.epochs,
            callbacks=[
                best,
                EarlyStopping(VALIDATION_RMSE, patience=config.training.patience),
                *([TQDMProgressBar()] if on_terminal else []),
            ],
            logger=False,
            enable_progress_bar=on_terminal,
            enable_model_summary=False,
        )
    except MisconfigurationException as error:
        raise ConfigError(
            f"accelerator {config.training.accelerator!r} cannot be used here: {error}"
        ) from error
