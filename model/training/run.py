"""One training run: data to a run folder, there whole or not at all, resumable after an interruption."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.checksums import hash_file
from model.config import RunConfig
from model.errors import ArtifactError, RatingModelError
from model.features import feature_names
from model.folders import discard_folder, replace_folder
from model.formats.pairs import Pairs
from model.history import History, build_history, encode_stars
from model.metrics import rmse
from model.progress import track_rows
from model.ratings import write_sample_csv
from model.splits import apply_split, parse_split, split_off_pairs
from model.store import write_history, write_titles
from model.synthetic import SyntheticTruth, best_predictions, lowest_rmse
from model.table import Ratings
from model.training.checkpoint import FORMAT, TrainedNetwork, write_checkpoint
from model.training.curve import read_curve
from model.training.evaluation import count_unknown, measure, tabulate
from model.training.fit import encode_rows, fit_network
from model.training.folds import mix_bits
from model.training.heads import require_accelerator
from model.training.kept import begin_attempt
from model.training.prepare import prepare_rows
from model.training.report.collect import FinishedRun
from model.training.report.write import write_report
from model.training.runs import METRICS, NETWORK, is_run

HISTORY = "history"
HELD_OUT = "held_out.csv"
"""The test rows, so that `model.score` can measure the exported bundle on them."""

MOST_TEST_ROWS = 50_000
"""Of more held-out rows those of some users are measured on: finding the neighbours of everybody in a hundred
million ratings would take hours, and this many rows give the RMSE to 0.004."""

Say = Callable[[str], None]
"""Tells the user what happens, a line at a time."""


def train_run(
    ratings: Ratings,
    config: RunConfig,
    output: Path,
    *,
    truth: SyntheticTruth | None = None,
    pairs: Pairs | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Train, measure on the held-out rows, and write the run folder.

    The run folder appears only when everything is in it. Until then progress is kept beside it, and the same
    call resumes from there.

    Args:
        ratings: all ratings.
        config: what to learn and how.
        output: the run folder; a finished run that is there already is replaced, anything else is refused.
        pairs: pairs of user and movie whose ratings are held out, as the Prize's probe.txt lists them; None
            splits as the configuration says.
        truth: what is known about the noise of built-in data.
        say: told what happens.

    Returns:
        The metrics that metrics.json holds. `training_seconds` are those of features, sampling and heads; of
        interrupted attempts up to the last progress that each of them kept.

    Raises:
        ArtifactError: if `output` holds something that is not a run.
        ConfigError: if the configuration's accelerator is not to be had here.
    """
    require_accelerator(config.training.accelerator)
    if output.exists() and not is_run(output) and (not output.is_dir() or any(output.iterdir())):
        raise ArtifactError(
            f"{output} is there and is not a run: expected a new folder, an empty one or a run"
        )
    if pairs is None:
        split = apply_split(ratings, parse_split(config.training.split), seed=config.training.seed)
        split_name = config.training.split
    else:
        split = split_off_pairs(ratings, pairs.user_ids, pairs.movie_ids)
        split_name = f"{len(pairs):,} listed pairs"
    n_held_out, test = len(split.test), draw_test_rows(split.test, MOST_TEST_ROWS, seed=config.training.seed)
    split = replace(split, test=test)
    history = build_history(split.train)
    fingerprint = fingerprint_ratings(split.train)
    work = output.parent / f".unfinished-{_digest(str(FORMAT), json.dumps(config.to_json()), fingerprint)}"
    n_rated = int((np.diff(history.movie_offsets) > 0).sum())
    say(
        f"training on {len(split.train):,} ratings of {history.n_users:,} users and {n_rated:,} movies; "
        f"{n_held_out:,} held out ({split_name})"
    )
    if len(split.test) < n_held_out:
        say(f"measured on {len(split.test):,} of those held out: all rows of some users")
    if work.exists():
        say("resuming an interrupted run")
    work.mkdir(parents=True, exist_ok=True)
    staged = work / "run"
    shutil.rmtree(staged, ignore_errors=True)  # what an attempt wrote after its training
    started = time.perf_counter() - begin_attempt(work)  # as if nothing had interrupted it
    try:
        networks = _fit(history, config, work, say, compare=len(split.test) > 0)
    except RatingModelError:
        # trying again would fail again: there is nothing to resume
        discard_folder(work)
        raise
    seconds = time.perf_counter() - started
    metrics: dict[str, Any] = {
        "split": split_name,
        "data_fingerprint": fingerprint,
        "train_rows": len(split.train),
        "test_rows": len(split.test),
        "held_out_rows": n_held_out,
        "users": history.n_users,
        "movies": history.n_movies,
        "training_seconds": round(seconds, 2),
    }
    measured = None
    if len(split.test):
        measured = measure(history, split.test, networks)
        metrics |= count_unknown(history, split.test)
        metrics |= tabulate(
            measured.lines,
            split.test,
            measured.evaluation.history_lengths,
            intervals=measured.evaluation.predicted[config.training.features][:, 1:],
        )
        if truth is not None:
            metrics["lowest_rmse"] = lowest_rmse(truth, split.test)
            metrics["best_predictions_rmse"] = rmse(best_predictions(truth, split.test), split.test.stars)
    (staged / HISTORY).mkdir(parents=True)
    write_history(staged / HISTORY, history)
    write_titles(staged / HISTORY, split.train.movies.titles)
    if len(split.test):
        write_sample_csv(split.test, staged / HELD_OUT)
    write_checkpoint(staged, networks[config.training.features])
    write_report(
        staged,
        FinishedRun(
            ratings=ratings,
            history=history,
            trained=networks[config.training.features],
            curves={name: read_curve(work / name / "heads") for name in networks},
            measured=measured,
            metrics=metrics,
            weights_sha256=hash_file(staged / NETWORK),
            is_made_up=truth is not None,
        ),
    )
    (staged / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    replace_folder(staged, output)
    discard_folder(work)
    return metrics


def draw_test_rows(test: Ratings, most: int, *, seed: int) -> Ratings:
    """Keep all rows of randomly chosen users, so many that there are about as many as wanted.

    Args:
        test: the held-out rows.
        most: all are kept unless there are more than this.
        seed: chooses the users.
    """
    if len(test) <= most:
        return test
    user_ids = np.unique(test.user_ids)
    drawn = np.random.default_rng([seed, 3]).random(len(user_ids)) < most / len(test)
    return test.take(np.isin(test.user_ids, user_ids[drawn]))


def fingerprint_ratings(ratings: Ratings) -> str:
    """A SHA-256 of the ratings, hexadecimal; the same for the same rows in any order.

    Hashed are the number of rows and two sums over them of well-mixed 64-bit numbers: a sum needs no order,
    and sorting a hundred million rows would take minutes.
    """
    sums = np.zeros(2, dtype=np.uint64)
    for rows in track_rows(len(ratings), "hashing ratings"):
        user_ids, movie_ids = ratings.user_ids[rows], ratings.movie_ids[rows]
        value = encode_stars(ratings.stars[rows]).astype(np.uint64) << np.uint64(16)
        value += ratings.days[rows].astype(np.uint16)
        for number in (user_ids, movie_ids):
            value = mix_bits(value + number.astype(np.uint64))
        sums += np.array([value.sum(dtype=np.uint64), (value * value).sum(dtype=np.uint64)])
    return hashlib.sha256(b"%d %d %d" % (len(ratings), *sums.tolist())).hexdigest()


def _fit(
    history: History, config: RunConfig, work: Path, say: Say, *, compare: bool
) -> dict[str, TrainedNetwork]:
    """Train the network asked for and, to compare it with, the one of the seed features."""
    prepared = prepare_rows(history, config, work, say=say)
    say(f"features of {len(prepared.rows.stars):,} held-out rows computed")
    networks = {}
    if config.training.features == "seed" or compare:
        names = feature_names("seed")
        networks["seed"] = fit_network(history, prepared, config, work / "seed", names=names)
    if config.training.features == "full":
        encoded = encode_rows(history, prepared, config, work, say=say)
        if encoded.is_plain:
            say("the held-out rows do not show that anything beats plain biases: these predict alone")
        names = feature_names("full")
        networks["full"] = fit_network(history, prepared, config, work / "full", names=names, encoded=encoded)
    return networks


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
