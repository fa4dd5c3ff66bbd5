"""The run folder: whole or absent, resumable, and what its metrics.json says."""

import dataclasses
import json
import os
import shutil
from collections import UserList
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import Rated, make_ratings
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from tiny_run import TINY_CONFIG, TINY_DATA, change_training, list_folder

from model.errors import ArtifactError, ConfigError, DataError
from model.features import FULL_FEATURES
from model.formats.pairs import Pairs
from model.generation import build_synthetic
from model.ratings import read_ratings
from model.store import read_history, write_history
from model.table import Ratings
from model.training import run
from model.training.checkpoint import FORMAT, TrainedNetwork, read_checkpoint
from model.training.fit import encode_rows, fit_network
from model.training.heads import require_accelerator
from model.training.kept import EARLIER_SECONDS
from model.training.report.write import HTML, MARKDOWN, write_report
from model.training.run import HELD_OUT, HISTORY, draw_test_rows, fingerprint_ratings, train_run
from model.training.runs import METRICS, find_newest_run, is_run


class Told(UserList[str]):
    """What a run said, line by line."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def told() -> Told:
    """Hears what a run says."""
    return Told()


def interrupt_once(function: Callable[..., object]) -> Callable[..., object]:
    """The function, but its first call is Ctrl-C."""
    calls: list[int] = []

    def call(*arguments: object, **settings: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return function(*arguments, **settings)

    return call


def test_metrics_hold_every_line_when_run_is_full(run_path: Path, tiny_ratings: Ratings) -> None:
    """RMSE of constant, movie mean, biases, seed and full model, in all and by history length."""
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    lines = ["constant", "movie_mean", "biases", "seed", "full"]
    assert list(metrics["rmse"]) == lines
    assert list(metrics["rmse_by_history_length"]) == lines
    for line in lines:
        assert 0.5 < metrics["rmse"][line] < 2
        buckets = metrics["rmse_by_history_length"][line]
        assert [bucket["ratings_known"] for bucket in buckets] == ["0", "1-4", "5-19", "20-99", "100+"]
        pooled = sum(bucket["rows"] * (bucket["rmse"] or 0) ** 2 for bucket in buckets) / metrics["test_rows"]
        assert pooled == pytest.approx(metrics["rmse"][line] ** 2)
    assert metrics["train_rows"] + metrics["test_rows"] == len(tiny_ratings)
    assert metrics["split"] == "latest"
    assert 0.5 < metrics["lowest_rmse"] < 1.2


def test_constant_line_equals_hand_calculation_when_rows_are_split(
    run_path: Path, tiny_ratings: Ratings
) -> None:
    """The latest tenth of each user against the mean of the rest."""
    by_user: dict[int, list[float]] = {}
    for user, stars in zip(tiny_ratings.user_ids.tolist(), tiny_ratings.stars.tolist(), strict=True):
        by_user.setdefault(user, []).append(stars)
    train, test = [], []
    for stars in by_user.values():
        n_train = sum(1 for rank in range(1, len(stars) + 1) if rank / len(stars) <= 0.9)
        train += stars[:n_train]
        test += stars[n_train:]
    mean = sum(train) / len(train)
    expected = (sum((stars - mean) ** 2 for stars in test) / len(test)) ** 0.5
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    assert metrics["rmse"]["constant"] == pytest.approx(expected)
    assert metrics["test_rows"] == len(test)


def test_run_folder_holds_only_training_ratings_when_split(run_path: Path, tiny_ratings: Ratings) -> None:
    """What is shipped knows no test row, and nothing but the run is left beside it."""
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    assert read_history(run_path / HISTORY).n_ratings == metrics["train_rows"] < len(tiny_ratings)
    assert read_checkpoint(run_path).config == TINY_CONFIG
    assert list_folder(run_path) == [HELD_OUT, HISTORY, METRICS, "network.ckpt", HTML, MARKDOWN]
    assert list_folder(run_path.parent) == [run_path.name]


def test_held_out_rows_are_the_test_rows_when_split(run_path: Path, tiny_ratings: Ratings) -> None:
    """They are in the run folder as ratings that the reader reads, and none of them is in the history."""
    held_out = read_ratings(run_path / HELD_OUT)
    history = read_history(run_path / HISTORY)
    assert len(held_out) + history.n_ratings == len(tiny_ratings)
    users = history.find_users(held_out.user_ids)
    movies = history.find_movies(held_out.movie_ids)
    for user, movie in zip(users.tolist(), movies.tolist(), strict=True):
        assert movie not in history.user_movies[history.user_rows(user)]


def test_run_holds_out_listed_pairs_when_there_are_any(
    tiny_ratings: Ratings, tmp_path: Path, told: Told
) -> None:
    """As with the Prize's probe: exactly the listed ratings are tested on, whatever the configured split."""
    rows = slice(0, len(tiny_ratings), 10)
    listed = Pairs(
        user_ids=tiny_ratings.user_ids[rows],
        movie_ids=tiny_ratings.movie_ids[rows],
        days=None,
        stars=None,
        is_prize_query=True,
    )
    metrics = train_run(
        tiny_ratings, change_training(features="seed"), tmp_path / "run", pairs=listed, say=told
    )
    assert (metrics["split"], metrics["test_rows"]) == ("120 listed pairs", 120)
    held_out = read_ratings(tmp_path / "run" / HELD_OUT)
    assert set(zip(held_out.user_ids, held_out.movie_ids, strict=True)) == set(
        zip(listed.user_ids, listed.movie_ids, strict=True)
    )


def test_run_predicts_the_same_when_seed_is_the_same(
    tiny_ratings: Ratings, run_path: Path, tmp_path: Path, told: Told
) -> None:
    """Two runs of one configuration have the same metrics, but for the time they took."""
    again = train_run(
        tiny_ratings, TINY_CONFIG, tmp_path / "run", truth=build_synthetic(TINY_DATA)[1], say=told
    )
    first = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    del again["training_seconds"], first["training_seconds"]
    assert again == first
    ours, theirs = read_checkpoint(tmp_path / "run").network, read_checkpoint(run_path).network
    assert all((ours.state_dict()[name] == value).all() for name, value in theirs.state_dict().items())


def test_run_has_no_full_line_when_features_are_seed(
    tiny_ratings: Ratings, tmp_path: Path, told: Told
) -> None:
    """The shipped network is the one of five features."""
    metrics = train_run(tiny_ratings, change_training(features="seed"), tmp_path / "run", say=told)
    assert list(metrics["rmse"]) == ["constant", "movie_mean", "biases", "seed"]
    assert "lowest_rmse" not in metrics
    assert len(read_checkpoint(tmp_path / "run").feature_names) == 5


def test_run_trains_on_everything_when_split_is_none(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to measure on: no RMSE is claimed and no other network trained to compare with."""
    fitted: list[tuple[str, ...]] = []

    def watch(*arguments: Any, names: tuple[str, ...], **settings: Any) -> TrainedNetwork:
        fitted.append(names)
        return fit_network(*arguments, names=names, **settings)

    monkeypatch.setattr(run, "fit_network", watch)
    metrics = train_run(tiny_ratings, change_training(split="none"), tmp_path / "run", say=told)
    assert "rmse" not in metrics
    assert fitted == [FULL_FEATURES]
    assert (metrics["train_rows"], metrics["test_rows"]) == (1_200, 0)
    assert read_history(tmp_path / "run" / HISTORY).n_ratings == 1_200


@pytest.mark.parametrize(
    "stage",
    [
        "prepare_rows",
        "encode_rows",
        "fit_network",
        "measure",
        "write_history",
        "write_report",
        "replace_folder",
    ],
)
def test_run_leaves_no_folder_and_resumes_when_interrupted(
    tiny_ratings: Ratings,
    run_path: Path,
    tmp_path: Path,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    """Ctrl-C at any stage: no run folder; the same call resumes, says so, and ends as if nothing had been."""
    monkeypatch.setattr(run, stage, interrupt_once(getattr(run, stage)))
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
    assert not (tmp_path / "run").exists()
    assert "resuming an interrupted run" not in told

    metrics = train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
    assert "resuming an interrupted run" in told
    assert is_run(tmp_path / "run")
    assert list_folder(tmp_path) == ["run"]
    assert metrics["rmse"] == json.loads((run_path / METRICS).read_text(encoding="utf-8"))["rmse"]


def test_resumed_run_is_the_same_when_training_had_stopped_early(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads that early stopping had finished are not trained any further after an interruption."""
    config = change_training(epochs=20, patience=1, learning_rate=0.3)
    straight = train_run(tiny_ratings, config, tmp_path / "straight", say=told)
    monkeypatch.setattr(run, "write_history", interrupt_once(write_history))
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny_ratings, config, tmp_path / "resumed", say=told)
    resumed = train_run(tiny_ratings, config, tmp_path / "resumed", say=told)
    assert resumed["rmse"] == straight["rmse"]


def test_training_seconds_count_every_attempt_when_a_run_was_interrupted(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two interrupted attempts kept progress 1,000 and 200 seconds after they began; the third adds its own.

    What an attempt wrote after its training, here 9,000 seconds later, is no training.
    """
    monkeypatch.setattr(run, "fit_network", interrupt_once(fit_network))
    monkeypatch.setattr(run, "write_report", interrupt_once(write_report))
    for after in (1_000, 200):
        with pytest.raises(KeyboardInterrupt):
            train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
        [work] = tmp_path.glob(".unfinished-*")
        began = (work / EARLIER_SECONDS).stat().st_mtime
        (work / "progress").touch()
        for path in work.rglob("*"):
            os.utime(path, (began, began))
        os.utime(work / "progress", (began + after, began + after))
        for path in (work / "run").rglob("*"):
            os.utime(path, (began + 9_000, began + 9_000))
    metrics = train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
    assert 1_200 <= metrics["training_seconds"] < 1_200 + 9_000 / 2


def test_run_starts_afresh_when_configuration_differs_from_the_interrupted(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress belongs to one configuration, one data set, and one format of what is kept."""
    monkeypatch.setattr(run, "encode_rows", interrupt_once(encode_rows))
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
    with monkeypatch.context() as patch:
        patch.setattr(run, "FORMAT", FORMAT + 1)
        train_run(tiny_ratings, TINY_CONFIG, tmp_path / "run", say=told)
    train_run(tiny_ratings, change_training(seed=9), tmp_path / "run", say=told)
    train_run(tiny_ratings.take(np.arange(1_000)), TINY_CONFIG, tmp_path / "run", say=told)
    assert "resuming an interrupted run" not in told


def test_run_replaces_a_finished_one_when_output_is_the_same(
    tiny_ratings: Ratings, run_path: Path, tmp_path: Path, told: Told
) -> None:
    """A second run at the same place takes the first one's place whole."""
    output = tmp_path / "run"
    shutil.copytree(run_path, output)
    (output / "notes.txt").write_text("old")
    train_run(tiny_ratings, change_training(features="seed"), output, say=told)
    assert list_folder(output) == [HELD_OUT, HISTORY, METRICS, "network.ckpt", HTML, MARKDOWN]
    assert list_folder(tmp_path) == ["run"]


def test_run_is_refused_when_output_is_not_a_run(tiny_ratings: Ratings, tmp_path: Path, told: Told) -> None:
    """Neither a folder of something else nor a file is replaced, and nothing is trained before it is said."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_text("cat")
    file = tmp_path / "file"
    file.write_text("text")
    for output in (folder, file):
        with pytest.raises(
            ArtifactError, match=f"{output.name} is there and is not a run: expected a new folder"
        ):
            train_run(tiny_ratings, TINY_CONFIG, output, say=told)
    assert told == []
    assert list_folder(folder) == ["cat.jpg"]
    assert list_folder(tmp_path) == ["file", "photos"]


def test_run_fills_an_empty_folder_when_output_is_one(
    tiny_ratings: Ratings, tmp_path: Path, told: Told
) -> None:
    """An empty folder is as good as none."""
    (tmp_path / "run").mkdir()
    train_run(tiny_ratings, change_training(features="seed"), tmp_path / "run", say=told)
    assert is_run(tmp_path / "run")


def test_run_leaves_nothing_behind_when_ratings_are_too_few(tmp_path: Path, told: Told) -> None:
    """What cannot be trained is refused without an unfinished folder to resume."""
    few = make_ratings([Rated(1, movie, 3) for movie in range(12)])
    with pytest.raises(DataError, match="expected 20 or more"):
        train_run(few, change_training(split="none"), tmp_path / "run", say=told)
    assert list_folder(tmp_path) == []


def test_run_is_refused_when_there_is_no_such_accelerator(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a GPU is missing nothing is trained; where there is one, nothing is refused."""
    monkeypatch.setattr(CUDAAccelerator, "is_available", lambda: False)
    monkeypatch.setattr(MPSAccelerator, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="accelerator is gpu, and PyTorch finds none here: expected auto"):
        train_run(tiny_ratings, change_training(accelerator="gpu"), tmp_path / "run", say=told)
    assert told == []
    assert list_folder(tmp_path) == []
    monkeypatch.setattr(CUDAAccelerator, "is_available", lambda: True)
    require_accelerator("gpu")


def test_run_is_refused_when_split_is_unknown(tiny_ratings: Ratings, tmp_path: Path, told: Told) -> None:
    """The split is checked before anything is written."""
    with pytest.raises(ConfigError, match="split 'newest' is unknown"):
        train_run(tiny_ratings, change_training(split="newest"), tmp_path / "run", say=told)
    assert list_folder(tmp_path) == []


def test_run_says_what_it_trains_on_when_it_starts(tiny_ratings: Ratings, tmp_path: Path, told: Told) -> None:
    """The first line counts ratings, users, movies and held-out rows."""
    metrics = train_run(tiny_ratings, change_training(features="seed"), tmp_path / "run", say=told)
    assert told[0] == (
        f"training on {metrics['train_rows']:,} ratings of {metrics['users']} users and 40 movies; "
        f"{metrics['test_rows']} held out (latest)"
    )


def test_newest_run_is_the_one_written_last_when_there_are_several(run_path: Path, tmp_path: Path) -> None:
    """Unfinished and foreign folders do not count."""
    assert find_newest_run(tmp_path / "nowhere") is None
    for place, name in enumerate(["b", "a", ".hidden"]):
        shutil.copytree(run_path, tmp_path / name)
        os.utime(tmp_path / name / METRICS, ns=(place, place))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / METRICS).write_text("{}")
    assert find_newest_run(tmp_path) == tmp_path / "a"


def test_draw_test_rows_keeps_all_rows_of_some_users_when_there_are_many(tiny_ratings: Ratings) -> None:
    """Of 1,200 rows of 60 users about 300 are wanted; nobody's rows are divided."""
    drawn = draw_test_rows(tiny_ratings, 300, seed=1)
    assert 150 < len(drawn) < 450
    users = np.unique(drawn.user_ids)
    assert len(drawn) == np.isin(tiny_ratings.user_ids, users).sum()
    assert draw_test_rows(tiny_ratings, 1_200, seed=1) is tiny_ratings


def test_run_measures_on_some_users_when_too_many_rows_are_held_out(
    tiny_ratings: Ratings, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are of the drawn rows, and both numbers are told."""
    monkeypatch.setattr(run, "MOST_TEST_ROWS", 60)
    metrics = train_run(tiny_ratings, change_training(features="seed"), tmp_path / "run", say=told)
    assert 20 < metrics["test_rows"] < 120 < metrics["held_out_rows"]
    assert metrics["train_rows"] + metrics["held_out_rows"] == len(tiny_ratings)
    assert told[1] == f"measured on {metrics['test_rows']} of those held out: all rows of some users"
    assert len(read_ratings(tmp_path / "run" / HELD_OUT)) == metrics["test_rows"]


def test_fingerprint_tells_ratings_apart_when_one_differs() -> None:
    """It depends on every column and not on the order."""
    rows = [Rated(1, 10, 4, 100), Rated(2, 10, 3, 100), Rated(2, 20, 5, 101)]
    same = fingerprint_ratings(make_ratings(rows))
    assert fingerprint_ratings(make_ratings([rows[1], rows[0], rows[2]])) == same
    for changed in (Rated(3, 20, 5, 101), Rated(2, 30, 5, 101), Rated(2, 20, 4, 101), Rated(2, 20, 5, 102)):
        assert fingerprint_ratings(make_ratings([*rows[:2], changed])) != same
    assert len(same) == 64


def test_config_survives_when_run_is_read_back(run_path: Path) -> None:
    """The checkpoint's configuration builds the same run again."""
    config = read_checkpoint(run_path).config
    assert dataclasses.asdict(config) == dataclasses.asdict(TINY_CONFIG)
