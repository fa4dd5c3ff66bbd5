"""The RMSE table of a run: every line on the same test rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.features import compute_features
from model.history import NO_CUT, NO_ERA, UNKNOWN, History
from model.metrics import bucket_history, rmse, score_by_history
from model.neighbours import Neighbours
from model.table import Ratings
from model.training.baselines import predict_baselines
from model.training.bulk_neighbours import build_whole_search
from model.training.checkpoint import TrainedNetwork
from model.training.encoding import compute_head_inputs, run_heads
from model.training.module import HeadRows
from model.views import Contexts, Queries, build_user_contexts, view_history

LINES = {
    "constant": "the mean of all ratings",
    "movie_mean": "the movie's mean",
    "biases": "user and movie biases",
    "seed": "the five seed features",
    "full": "the full model",
}
"""The lines of the table, in order, and what they say."""


def build_test_queries(history: History, test: Ratings) -> tuple[Contexts, Queries]:
    """Ask for every test row with the whole training history visible.

    Args:
        history: the index of the training ratings; holds none of the test rows.
        test: the rows to predict.
    """
    user_ids, groups = np.unique(test.user_ids, return_inverse=True)
    users = history.find_users(user_ids)
    n_groups = len(users)
    movies = history.find_movies(test.movie_ids)
    contexts = build_user_contexts(
        history, users, np.full(n_groups, NO_CUT, dtype=np.int32), np.zeros(n_groups, dtype=np.int64)
    )
    return contexts, Queries(
        groups=groups.astype(np.int64),
        movies=movies,
        eras=np.where(movies == UNKNOWN, NO_ERA, history.movie_eras[movies]).astype(np.int8),
        own_codes=np.zeros(len(test), dtype=np.uint8),
        days=test.days.astype(np.int32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The test rows as the networks were asked about them, and what they answered."""

    contexts: Contexts
    """What was known of each user."""
    queries: Queries
    """The rows."""
    neighbours: Neighbours
    """The four nearest of each row."""
    era_means: NDArray[np.float64]
    """(n_test,) the user's mean for the movie's era, stars."""
    rows: dict[str, HeadRows]
    """What each network's heads took and corrected, and the actual ratings."""
    predicted: dict[str, NDArray[np.float32]]
    """(n_test, 3) by network: predicted rating and the bounds of its interval, stars."""

    @property
    def history_lengths(self) -> NDArray[np.int64]:
        """(n_test,) how many ratings of each row's user were known."""
        return np.diff(self.contexts.offsets)[self.queries.groups]


def predict_test(history: History, test: Ratings, networks: Mapping[str, TrainedNetwork]) -> Evaluation:
    """Predict the test rows with each network.

    Args:
        history: the index of the training ratings.
        test: the rows to predict.
        networks: by the name of their line; one or more.
    """
    contexts, queries = build_test_queries(history, test)
    stars = torch.from_numpy(test.stars)
    rows, predicted = {}, {}
    views = view_history(history)
    # those of one run share their settings, and so their neighbours
    [most] = {trained.config.training.most_candidates for trained in networks.values()}
    neighbours = build_whole_search(history, most_candidates=most)(views, contexts, queries)
    for name, trained in networks.items():
        table = compute_features(
            history, views, contexts, queries, search=lambda *_: neighbours, names=trained.feature_names
        )
        inputs = compute_head_inputs(trained.network, table.matrix, contexts, queries)
        rows[name] = HeadRows(inputs, trained.network.base(inputs), stars)
        predicted[name] = run_heads(trained.network, inputs)
    return Evaluation(contexts, queries, neighbours, table.era_means, rows, predicted)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Every line's predictions of the test rows, and how the networks' came about."""

    test: Ratings
    """The actual ratings; one or more."""
    evaluation: Evaluation
    lines: dict[str, NDArray[np.floating]]
    """(n_test,) predicted ratings by the name of the line, stars."""


def measure(history: History, test: Ratings, networks: Mapping[str, TrainedNetwork]) -> Measured:
    """Predict the test rows with each baseline and each network.

    Args:
        history: the index of the training ratings.
        test: the rows to predict.
        networks: by the name of their line; one or more.
    """
    evaluation = predict_test(history, test, networks)
    lines: dict[str, NDArray[np.floating]] = {**predict_baselines(history, test)}
    lines |= {name: table[:, 0] for name, table in evaluation.predicted.items()}
    return Measured(test, evaluation, lines)


def tabulate(
    predicted: Mapping[str, NDArray[np.floating]],
    test: Ratings,
    history_lengths: NDArray[np.int64],
    *,
    intervals: NDArray[np.floating] | None = None,
) -> dict[str, Any]:
    """Compute the RMSE of every line, overall and by history length, ready for metrics.json.

    Args:
        predicted: (n_test,) stars by the name of the line.
        test: the actual ratings.
        history_lengths: (n_test,) how many ratings of each row's user were known.
        intervals: (n_test, 2) the bounds around the run's own predictions, stars, to measure coverage.
    """
    lines = {name: predicted[name] for name in LINES if name in predicted}
    table = {
        "rmse": {name: rmse(values, test.stars) for name, values in lines.items()},
        "rmse_by_history_length": {
            name: [
                {"ratings_known": score.label, "rows": score.n_rows, "rmse": score.rmse}
                for score in score_by_history(values, test.stars, history_lengths)
            ]
            for name, values in lines.items()
        },
    }
    if intervals is not None:
        held = (intervals[:, 0] <= test.stars) & (test.stars <= intervals[:, 1])
        table["interval_coverage"] = float(held.mean())
        table["interval_coverage_by_history_length"] = [
            {"ratings_known": label, "rows": int(rows.sum()), "coverage": float(held[rows].mean())}
            for label, rows in bucket_history(history_lengths)
            if rows.any()
        ]
        table["interval_width"] = float((intervals[:, 1] - intervals[:, 0]).mean())
    return table


def format_table(metrics: Mapping[str, Any]) -> str:
    """Lay the RMSE table of a run's metrics out as text."""
    buckets = next(iter(metrics["rmse_by_history_length"].values()))
    heads = ["all", *(bucket["ratings_known"] for bucket in buckets)]
    rows = [metrics["test_rows"], *(bucket["rows"] for bucket in buckets)]
    lines = [
        f"{'RMSE, by ratings known of the user':<36}" + "".join(f"{head:>9}" for head in heads),
        f"{'  test rows':<36}" + "".join(f"{count:>9,}" for count in rows),
    ]
    for name, overall in metrics["rmse"].items():
        scores = [overall, *(bucket["rmse"] for bucket in metrics["rmse_by_history_length"][name])]
        cells = "".join(f"{'-' if score is None else format(score, '.4f'):>9}" for score in scores)
        lines.append(f"{f'  {LINES[name]} ({name})':<36}{cells}")
    if "lowest_rmse" in metrics:
        lines.append(
            f"{'  lowest that anybody could expect':<36}{metrics['lowest_rmse']:>9.4f}"
            f"   (with the luck of these rows {metrics['best_predictions_rmse']:.4f})"
        )
    if "interval_coverage" in metrics:
        lines.append(f"{'  inside the 80 % interval':<36}{metrics['interval_coverage']:>9.1%}")
    return "\n".join(lines)


def count_unknown(history: History, test: Ratings) -> dict[str, int]:
    """How many test rows ask for users or movies without any training rating."""
    users, movies = history.find_users(test.user_ids), history.find_movies(test.movie_ids)
    rated = np.diff(history.movie_offsets) > 0
    unrated = (movies == UNKNOWN) | ~rated[movies]
    return {"new_users": int((users == UNKNOWN).sum()), "unrated_movies": int(unrated.sum())}
