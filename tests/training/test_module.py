"""The Lightning side: what is minimised and logged is a root."""

import math

import pytest
import pytorch_lightning as pl
import torch
from tiny_run import TINY_CONFIG
from torch import Tensor

from model.training.module import (
    TRAINING_RMSE,
    VALIDATION_RMSE,
    HeadDataModule,
    HeadModule,
    HeadRows,
    compute_rmse,
)
from model.training.network import Heads


def make_module(n_heads: int = 1) -> HeadModule:
    """Heads that correct nothing yet, on the scale of 1 to 5."""
    heads = Heads(torch.zeros(1), torch.ones(1), hidden_size=1, n_heads=n_heads)
    return HeadModule(heads, TINY_CONFIG, low=1.0, high=5.0)


def make_rows(bases: list[float], stars: list[float]) -> HeadRows:
    return HeadRows(torch.zeros(len(bases), 1), torch.tensor(bases), torch.tensor(stars))


def as_batch(rows: HeadRows) -> tuple[Tensor, Tensor, Tensor]:
    return rows.inputs, rows.bases, rows.stars


def test_compute_rmse_is_a_square_root_when_errors_are_0_and_2() -> None:
    """[0, 0] against [0, 2] is √2, not 2."""
    loss = compute_rmse(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 2.0]))
    assert loss.item() == pytest.approx(math.sqrt(2))


def test_compute_rmse_keeps_heads_apart_when_there_are_two() -> None:
    """Each head has its own root: √(4 / 2) and √(0 / 2)."""
    losses = compute_rmse(torch.tensor([[0.0, 0.0], [0.0, 2.0]]), torch.tensor([0.0, 2.0]))
    assert losses.tolist() == pytest.approx([math.sqrt(2), 0.0], abs=1e-5)


def test_compute_rmse_has_a_finite_gradient_when_every_error_is_zero() -> None:
    """The root's own slope is infinite at zero."""
    predicted = torch.tensor([1.0, 2.0], requires_grad=True)
    compute_rmse(predicted, torch.tensor([1.0, 2.0])).backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()


def test_training_step_averages_the_roots_of_heads_when_there_are_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss of corrections 0 and 2 to base 1 against 1 and 3 is (√2 + √2) / 2, and is logged as it is."""
    module = make_module(n_heads=2)
    with torch.no_grad():
        module.heads.biases[2].copy_(torch.tensor([0.0, 2.0]).reshape(2, 1, 1))
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value.item()}))
    rows = make_rows([1.0, 1.0], [1.0, 3.0])
    loss = module.training_step(as_batch(rows), 0)
    assert loss.item() == pytest.approx(math.sqrt(2))
    assert logged == {TRAINING_RMSE: pytest.approx(math.sqrt(2))}


def test_validation_pools_errors_before_the_root_when_batches_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors 0, 0, 0 and 2 in batches of 3 and 1: √(4 / 4) = 1, not (0 + 2) / 2; then it starts anew."""
    module = make_module()
    logged: list[float] = []
    monkeypatch.setattr(module, "log", lambda _name, value, **_: logged.append(value.item()))
    for rows in (make_rows([3.0] * 3, [3.0] * 3), make_rows([3.0], [5.0])):
        module.validation_step(as_batch(rows), 0)
    module.on_validation_epoch_end()
    rows = make_rows([3.0], [4.0])
    module.validation_step(as_batch(rows), 0)
    module.on_validation_epoch_end()
    assert logged == pytest.approx([1.0, 1.0])


def test_validation_averages_heads_and_clips_when_they_overshoot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Base 3 and corrections 1 and 9 are 8, clipped to 5: an error of 1 from 4."""
    module = make_module(n_heads=2)
    with torch.no_grad():
        module.heads.biases[2].copy_(torch.tensor([1.0, 9.0]).reshape(2, 1, 1))
    logged: list[float] = []
    monkeypatch.setattr(module, "log", lambda _name, value, **_: logged.append(value.item()))
    rows = make_rows([3.0], [4.0])
    module.validation_step(as_batch(rows), 0)
    module.on_validation_epoch_end()
    assert logged == pytest.approx([1.0])


@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_trainer_logs_the_root_when_it_validates() -> None:
    """What Lightning's trainer reports for errors 0 and 2 is √2."""
    rows = make_rows([1.0, 1.0], [1.0, 3.0])
    data = HeadDataModule(rows, rows, batch_size=1)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    [metrics] = trainer.validate(make_module(), data, verbose=False)
    assert metrics == {VALIDATION_RMSE: pytest.approx(math.sqrt(2))}


def test_data_module_serves_every_row_once_when_an_epoch_passes() -> None:
    """Ten rows in batches of four: shuffled for training, whole and in order for validation."""
    torch.manual_seed(7)
    rows = make_rows([float(row) for row in range(10)], [3.0] * 10)
    data = HeadDataModule(rows, rows.take(torch.arange(3)), batch_size=4)
    served = [bases.tolist() for _, bases, _ in data.train_dataloader()]
    assert [len(batch) for batch in served] == [4, 4, 2]
    flat = [base for batch in served for base in batch]
    assert sorted(flat) == list(range(10))
    assert flat != list(range(10))
    assert [bases.tolist() for _, bases, _ in data.val_dataloader()] == [[0.0, 1.0, 2.0]]


def test_optimiser_decays_weights_but_no_biases_when_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """AdamW gets the configured decay for the weights and none for the biases; the rate follows one cycle."""
    module = make_module()

    class Stepper:
        estimated_stepping_batches = 10

    monkeypatch.setattr(HeadModule, "trainer", Stepper())
    configured = module.configure_optimizers()
    weights, biases = configured["optimizer"].param_groups
    assert isinstance(configured["optimizer"], torch.optim.AdamW)
    assert (weights["weight_decay"], biases["weight_decay"]) == (TINY_CONFIG.training.weight_decay, 0.0)
    assert len(weights["params"]) == len(biases["params"]) == 3
    assert configured["lr_scheduler"]["scheduler"].total_steps == 10
    assert configured["lr_scheduler"]["interval"] == "step"


def test_checkpoint_carries_the_configuration_when_module_is_built() -> None:
    """Lightning's own checkpoints hold the resolved configuration."""
    assert dict(make_module().hparams) == TINY_CONFIG.to_json()
