"""Fit one method and predict with it, in a process of its own, and take its time and memory."""

import dataclasses
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.apart import read_peak_memory
from benchmarks.methods import RatingMethod, build_method
from model.errors import DataError, RatingModelError
from model.progress import hush
from model.table import Ratings


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What one fit of one method gave."""

    predicted: NDArray[np.float64]
    """(n_test,) stars, within the scale."""
    fit_seconds: float
    """From the training ratings to a fitted model, features included; reading the data is not."""
    deploy_seconds: float
    """From the fitted model to one that serves; next to nothing where there is nothing to do."""
    score_seconds: float
    """From the test rows to their predictions."""
    peak_memory_mb: float
    """Most memory that the process held at any time, its libraries included, megabytes."""


def measure_apart(name: str, *, seed: int, train: Ratings, test: Ratings) -> Measurement:
    """Fit a method and predict the test rows in a fresh process, which ends with the call.

    Args:
        name: one of `METHODS`.
        seed: source of its randomness.
        train: the training rows.
        test: the test rows; their stars stay in this process.

    Raises:
        RatingModelError: if the process was ended from outside, as one that takes too much memory is.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=hush) as pool:
        try:
            return pool.submit(measure, name, seed=seed, train=train, asked=hide_stars(test)).result()
        except BrokenProcessPool as error:
            raise RatingModelError(f"the process of {name} was ended; out of memory?") from error


def measure(name: str, *, seed: int, train: Ratings, asked: Ratings) -> Measurement:
    """Fit a method and predict, in this process.

    Args:
        name: one of `METHODS`.
        seed: source of its randomness.
        train: the training rows.
        asked: the test rows without their stars.
    """
    return measure_method(build_method(name, seed=seed), train=train, asked=asked)


def measure_method(method: RatingMethod, *, train: Ratings, asked: Ratings) -> Measurement:
    """Fit, deploy and predict against the clock.

    Args:
        method: not fitted yet.
        train: the training rows.
        asked: the test rows without their stars.

    Raises:
        DataError: if a prediction is missing or no number.
    """
    times = [time.perf_counter()]
    method.fit(train)
    times.append(time.perf_counter())
    method.deploy()
    times.append(time.perf_counter())
    predicted = np.asarray(method.predict(asked), dtype=np.float64)
    times.append(time.perf_counter())
    if predicted.shape != (len(asked),) or not np.isfinite(predicted).all():
        raise DataError(f"predictions of shape {predicted.shape}: expected {len(asked)} finite numbers")
    fit_seconds, deploy_seconds, score_seconds = np.diff(times).tolist()
    return Measurement(
        predicted=predicted.clip(train.scale.low, train.scale.high),
        fit_seconds=fit_seconds,
        deploy_seconds=deploy_seconds,
        score_seconds=score_seconds,
        peak_memory_mb=read_peak_memory(),
    )


def hide_stars(test: Ratings) -> Ratings:
    """The same rows with NaN for stars: what a method is shown cannot flatter it."""
    return dataclasses.replace(test, stars=np.full(len(test), np.nan, dtype=np.float32))
