"""Cost against the number of ratings: reading, neighbours and a prediction on made-up data."""

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.costs import N_REQUESTS, WARM_UP, draw_pairs, time_call
from benchmarks.methods import EXTRA
from benchmarks.reading import measure_reading
from benchmarks.tables import Table, format_number
from model.cache import Store, open_store
from model.errors import ConfigError
from model.features import compute_features, feature_names
from model.history import History, find_one
from model.large_synthetic import LargeConfig, write_large_synthetic
from model.neighbours import MOST_CANDIDATES, find_neighbours
from model.questions import Query, QueryReader
from model.quick import QuickLookup, sum_up_users
from model.table import Ratings
from model.training.bulk_neighbours import build_whole_search
from model.training.evaluation import build_test_queries
from model.training.nearest_users import is_worth_listing, list_nearest_users
from model.views import view_history

N_USERS = 200
"""Of how many users the neighbours are timed."""

CURVES = {
    "read_s": "reading, s",
    "index_s": "indexing, s",
    "peak_mb": "peak memory, MB",
    "neighbours_ms_a_user": "neighbours, ms a user",
    "prediction_p50_ms": "one prediction but for the network, ms",
}
"""What the plot shows, by the names of `measure_size`."""


PICTURES = (".pdf", ".png", ".svg")
"""Kinds of plot."""


def measure_size(n_ratings: int, folder: Path) -> dict[str, float]:
    """Make up ratings and take what reading, neighbours and a prediction cost at that size.

    Args:
        n_ratings: how many.
        folder: scratch space; the made-up data stays there.
    """
    data = folder / f"made-up-{n_ratings}"
    if not data.exists():
        write_large_synthetic(data, LargeConfig.of_size(n_ratings))
    with tempfile.TemporaryDirectory(prefix="store-", dir=folder) as kept:
        report = measure_reading(data, Path(kept) / "store")
        store = open_store(Path(kept) / "store")
        n_users = store.history.n_users
        users = np.random.default_rng(5).choice(n_users, min(N_USERS, n_users), replace=False)
        report |= _measure_some_neighbours(store, np.sort(users).astype(np.int32))
        return report | _measure_single_predictions(store.history)


def build_size_table(lines: Sequence[Mapping[str, float]]) -> Table:
    """Lay the curves out.

    Args:
        lines: one for each size, from `measure_size`.
    """
    columns = {
        "read s": ("read_s", 2),
        "index s": ("index_s", 2),
        "keep s": ("keep_s", 2),
        "open s": ("open_s", 2),
        "check s": ("check_s", 2),
        "peak MB": ("peak_mb", 0),
        "neighbours, ms a user": ("neighbours_ms_a_user", 2),
        "prediction p50 ms": ("prediction_p50_ms", 2),
        "p99 ms": ("prediction_p99_ms", 2),
    }
    rows = [
        [
            f"{line['ratings']:,.0f}",
            *(format_number(line[name], digits) for name, digits in columns.values()),
        ]
        for line in lines
    ]
    return Table("made-up data, cost against size", ["ratings", *columns], rows)


def require_plot(path: Path) -> None:
    """Refuse a picture that cannot be drawn before anything is measured, not after.

    Raises:
        ConfigError: if its name says of no kind that can be, or Matplotlib is not installed.
    """
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"{path} cannot be drawn: expected a name that ends in {', '.join(PICTURES)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            f"--plot needs the package matplotlib, which is not installed: install the extra {EXTRA} "
            f"(pip install '.[{EXTRA}]') or leave it out"
        )


def draw_plot(lines: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw cost against size, both logarithmic.

    Args:
        lines: one for each size, from `measure_size`.
        path: the picture; its ending says of what kind.
    """
    from matplotlib.figure import Figure  # ruff: ignore[import-outside-top-level] - only plots need it

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    sizes = [line["ratings"] for line in lines]
    for name, label in CURVES.items():
        axes.loglog(sizes, [line[name] for line in lines], marker="o", label=label)
    axes.set_xlabel("ratings")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path)


def _measure_some_neighbours(store: Store, users: np.ndarray) -> dict[str, float]:
    """Time the neighbours of all rows of some users."""
    history = store.history
    rows = np.concatenate([np.arange(*history.user_offsets[user : user + 2]) for user in users])
    owners = np.repeat(users, np.diff(history.user_offsets)[users])
    asked = Ratings(
        user_ids=history.user_ids[owners],
        movie_ids=history.movie_ids[history.user_movies[rows]],
        stars=history.user_codes[rows] * np.float32(0.5),
        days=np.zeros(len(rows), dtype=np.int16),
        movies=store.movies,
        scale=history.scale,
    )
    contexts, queries = build_test_queries(history, asked)
    queries = replace(queries, own_codes=history.user_codes[rows])
    search, views = build_whole_search(history), view_history(history)
    search(views, contexts, queries.take(np.arange(len(queries)) < 10))
    seconds = time_call(lambda: search(views, contexts, queries))
    return {"neighbours_ms_a_user": seconds * 1e3 / len(users), "neighbour_rows_per_s": len(rows) / seconds}


def _measure_single_predictions(history: History) -> dict[str, float]:
    """Time single predictions of a server, all but the network, which costs the same at any size."""
    reader, names = QueryReader(history), feature_names("full")
    search = partial(find_neighbours, history)
    is_listed = is_worth_listing(history)
    if is_listed:
        nearest, sums = list_nearest_users(history, reader.whole), sum_up_users(history, reader.whole)
        quick = QuickLookup(
            history, reader.whole, nearest, sums, names=names, most_candidates=MOST_CANDIDATES
        )

    def look_up(user_id: int, movie_id: int) -> None:
        if is_listed:
            places = find_one(history.user_ids, user_id), find_one(history.movie_ids, movie_id)
            quick.look_up(*places, history.last_day + 1)
            return
        visible = reader.read([Query(movie_id=movie_id, user_id=user_id)])
        compute_features(
            history, visible.views, visible.contexts, visible.queries, search=search, names=names
        )

    pairs = draw_pairs(history, N_REQUESTS + WARM_UP, seed=6)
    times = [
        time_call(partial(look_up, user, movie))
        for user, movie in zip(pairs.user_ids.tolist(), pairs.movie_ids.tolist(), strict=True)
    ][WARM_UP:]
    return {
        "prediction_p50_ms": float(np.median(times) * 1e3),
        "prediction_p99_ms": float(np.quantile(times, 0.99) * 1e3),
    }
