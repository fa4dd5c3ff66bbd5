"""From ratings to trained networks: who trains, who validates, and what an interruption leaves."""

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import TINY_CONFIG, change_training, list_folder

from model.config import RunConfig
from model.features import FULL_FEATURES, SEED_FEATURES
from model.history import History
from model.training import chain, fit
from model.training.chain import Chain, ChainFile
from model.training.checkpoint import TrainedNetwork
from model.training.curve import read_curve
from model.training.encoding import predict_queries
from model.training.fit import encode_rows, fit_network
from model.training.gibbs import Observations, Posterior, sample_posterior
from model.training.heads import fit_intervals
from model.training.module import HeadModule, HeadRows
from model.training.network import Intervals
from model.training.prepare import PreparedRows

SEED_COLUMNS = [FULL_FEATURES.index(name) for name in SEED_FEATURES]


@pytest.fixture
def _signals_restored() -> Iterator[None]:
    """Whatever a training run does to Ctrl-C stays within the test."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def fit_seed(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> TrainedNetwork:
    """Train the network of five features."""
    return fit_network(history, prepared, config, folder, names=SEED_FEATURES)


def fit_full(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> TrainedNetwork:
    """Train the network of all features with its encoder."""
    encoded = encode_rows(history, prepared, config, folder)
    return fit_network(history, prepared, config, folder, names=FULL_FEATURES, encoded=encoded)


def predict_full(history: History, prepared: PreparedRows, config: RunConfig, folder: Path) -> list[float]:
    """Train the full network and predict its own held-out rows."""
    folder.mkdir(exist_ok=True)
    trained = fit_full(history, prepared, config, folder)
    rows = prepared.rows
    predicted = predict_queries(trained.network, prepared.features.numpy(), rows.contexts, rows.queries)
    return [float(stars) for stars in predicted[:, 0]]


def test_heads_train_on_training_users_alone_when_fitted(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reaches a training step is never a row of a validation user, whose marked inputs would show."""
    mark = 1234.5
    features = prepared.features.clone()
    features[prepared.is_validation] = mark
    seen: list[torch.Tensor] = []
    step = HeadModule.training_step

    def watch(self: HeadModule, batch: tuple[torch.Tensor, ...], index: int) -> torch.Tensor:
        seen.append(batch[0])
        return step(self, batch, index)  # type: ignore[arg-type]

    monkeypatch.setattr(HeadModule, "training_step", watch)
    fit_seed(history, dataclasses.replace(prepared, features=features), TINY_CONFIG, tmp_path)
    inputs = torch.cat(seen)
    assert len(inputs) == TINY_CONFIG.training.epochs * int((~prepared.is_validation).sum())
    assert not torch.any(inputs == mark)


def test_seed_network_reads_exactly_five_numbers_when_fitted(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """With every other feature destroyed, the same network comes out."""
    destroyed = torch.full_like(prepared.features, torch.nan)
    destroyed[:, SEED_COLUMNS] = prepared.features[:, SEED_COLUMNS]
    whole = fit_seed(history, prepared, TINY_CONFIG, tmp_path / "whole")
    bare = fit_seed(
        history, dataclasses.replace(prepared, features=destroyed), TINY_CONFIG, tmp_path / "bare"
    )
    assert whole.feature_names == ("neighbour_1", "neighbour_2", "neighbour_3", "neighbour_4", "era_mean")
    assert whole.network.encoder is None
    assert whole.network.heads.weights[0].shape[1] == 5
    five = prepared.features[:, SEED_COLUMNS]
    for ours, same in zip(whole.network(five), bare.network(five), strict=True):
        assert torch.equal(ours, same)


def test_seed_network_starts_from_the_mean_when_fitted(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """What the heads correct is the mean of all ratings."""
    trained = fit_seed(history, prepared, TINY_CONFIG, tmp_path)
    assert trained.network.base(torch.zeros(1, 5)).item() == pytest.approx(history.user_codes.mean() / 2)


def test_heads_are_believed_by_half_when_they_learned_from_five_hundred_rows(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """The gain of n training rows is n / (n + 500), for the heads and those of the intervals."""
    trained = fit_full(history, prepared, TINY_CONFIG, tmp_path)
    n_rows = int((~prepared.is_validation).sum())
    for heads in (trained.network.heads, trained.network.intervals.heads):
        assert heads.gain.item() == pytest.approx(n_rows / (n_rows + 500))


def test_full_network_predicts_the_same_when_seed_is_the_same(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """A seed decides everything; another one gives another network."""
    first = predict_full(history, prepared, TINY_CONFIG, tmp_path / "first")
    second = predict_full(history, prepared, TINY_CONFIG, tmp_path / "second")
    other = predict_full(history, prepared, change_training(seed=2), tmp_path / "other")
    assert first == second
    assert first != other


def test_intervals_are_fitted_around_the_base_alone_when_user_has_no_ratings(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is served: others' rows are corrected by the heads."""
    seen: list[HeadRows] = []

    def watch(rows: HeadRows, *arguments: Any) -> Intervals:
        seen.append(rows)
        return fit_intervals(rows, *arguments)

    monkeypatch.setattr(fit, "fit_intervals", watch)
    network = fit_full(history, prepared, TINY_CONFIG, tmp_path).network
    [rows] = seen
    is_new = rows.inputs[:, FULL_FEATURES.index("user_count")] == 0
    with torch.no_grad():
        base = network.base(rows.inputs).clamp(network.low, network.high)
    assert is_new.any()
    assert torch.equal(rows.bases[is_new], base[is_new])
    assert (rows.bases[~is_new] != base[~is_new]).float().mean() > 0.5


def test_posterior_is_not_sampled_again_when_folder_has_it(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interruption between stages the finished ones are read, and the result is the same."""
    first = predict_full(history, prepared, TINY_CONFIG, tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("sampled again")

    monkeypatch.setattr(fit, "sample_posterior", refuse)
    assert predict_full(history, prepared, TINY_CONFIG, tmp_path) == first


def test_posterior_file_is_whole_or_absent_when_sampling_is_interrupted(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second posterior leaves the first one and no half file."""
    calls: list[int] = []

    def interrupt(data: Observations, **settings: object) -> Posterior:
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return sample_posterior(data, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "sample_posterior", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit_full(history, prepared, TINY_CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["posterior-fold-0.npz"]


def test_chain_is_resumed_when_its_sampling_was_interrupted(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the third round of the second posterior: the same result, and no chain's file is left."""
    straight = predict_full(history, prepared, TINY_CONFIG, tmp_path / "straight")
    monkeypatch.setattr(chain, "KEEP_SECONDS", 0.0)
    keep, kept = ChainFile.keep, list[str]()

    def interrupt(self: ChainFile, at: Chain) -> None:
        keep(self, at)
        kept.append(f"{self._path.name} {at.n_rounds}")
        if kept[-1] == "chain-fold-1.npz 3":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ChainFile, "keep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            predict_full(history, prepared, TINY_CONFIG, tmp_path / "resumed")
        assert list_folder(tmp_path / "resumed") == ["chain-fold-1.npz", "posterior-fold-0.npz"]
        n_before = len(kept)
        assert predict_full(history, prepared, TINY_CONFIG, tmp_path / "resumed") == straight
    assert kept[n_before] == "chain-fold-1.npz 4"
    assert not list((tmp_path / "resumed").glob("chain-*"))


@pytest.mark.usefixtures("_signals_restored")
def test_interruption_is_passed_on_when_heads_are_training(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C within Lightning is a KeyboardInterrupt like any other, and the next one is heard too."""
    handler = signal.getsignal(signal.SIGINT)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(HeadModule, "training_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit_seed(history, prepared, TINY_CONFIG, tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.usefixtures("_signals_restored")
def test_heads_continue_with_the_epoch_that_was_cut_when_resumed(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the third of four epochs, training runs the last two again, not all four."""
    config = change_training(epochs=4)
    epochs: list[int] = []
    step = HeadModule.training_step
    interrupted = False

    def watch(self: HeadModule, batch: tuple[torch.Tensor, ...], index: int) -> torch.Tensor:
        nonlocal interrupted
        if self.current_epoch == 2 and not interrupted:
            interrupted = True
            raise KeyboardInterrupt
        if index == 0:
            epochs.append(self.current_epoch)
        return step(self, batch, index)  # type: ignore[arg-type]

    monkeypatch.setattr(HeadModule, "training_step", watch)
    with pytest.raises(KeyboardInterrupt):
        fit_seed(history, prepared, config, tmp_path)
    fit_seed(history, prepared, config, tmp_path)
    assert epochs == [0, 1, 2, 3]


@pytest.mark.usefixtures("_signals_restored")
def test_curve_has_every_epoch_when_training_was_interrupted(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epochs before the interruption are those of a run without one; those after it follow."""
    config = change_training(epochs=4)
    fit_seed(history, prepared, config, tmp_path / "straight")
    straight = read_curve(tmp_path / "straight" / "heads")
    step = HeadModule.training_step

    def interrupt(self: HeadModule, batch: tuple[torch.Tensor, ...], index: int) -> torch.Tensor:
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return step(self, batch, index)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(HeadModule, "training_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit_seed(history, prepared, config, tmp_path / "resumed")
    fit_seed(history, prepared, config, tmp_path / "resumed")
    resumed = read_curve(tmp_path / "resumed" / "heads")
    assert [len(straight), len(resumed)] == [4, 4]
    assert resumed[:2] == straight[:2]


def test_curve_holds_the_rmse_of_training_and_validation_when_heads_are_fitted(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """The best validation RMSE of the curve is that of the heads that are kept."""
    trained = fit_seed(history, prepared, change_training(epochs=3), tmp_path)
    curve = read_curve(tmp_path / "heads")
    assert all(set(epoch) == {"training_rmse", "validation_rmse"} for epoch in curve)
    assert set(read_curve(tmp_path / "intervals")[0]) == {"validation_surprise"}
    rows = prepared.is_validation
    features = prepared.features[rows][:, SEED_COLUMNS]
    stars = torch.from_numpy(prepared.rows.stars)[rows]
    trained.network.heads.shrink(1.0)  # the curve is that of training
    with torch.no_grad():
        errors = trained.network(features)[0] - stars
    assert min(epoch["validation_rmse"] for epoch in curve) == pytest.approx(
        float((errors**2).mean().sqrt()), abs=1e-6
    )


def test_training_is_quiet_when_standard_error_is_no_terminal(
    history: History, prepared: PreparedRows, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither a progress bar nor Lightning's remarks reach a log file."""
    fit_full(history, prepared, TINY_CONFIG, tmp_path)
    assert capfd.readouterr() == ("", "")


def test_networks_are_the_same_when_the_sampler_may_have_more_than_there_is(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """A bound that does not bind changes nothing; one that does, trains all the same."""
    free, bound, drawn = (
        predict_full(history, prepared, change_training(sampler_ratings=most), tmp_path / str(most))
        for most in (200_000_000, history.n_ratings, history.n_ratings // 2)
    )
    assert free == bound
    assert free != drawn
    assert np.isfinite(drawn).all()
