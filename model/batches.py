"""Lay ragged contexts out as the rectangles that the network takes, in chunks that bound the memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.table import HALF_STAR
from model.views import Contexts, Queries

UNKNOWN_ROW = 0
"""Row of the network's movie table that stands for a movie nobody has rated; movie_index i is row i + 1."""
CHUNK_RATINGS = 16_384
"""Padded context ratings in one batch."""
_CONTEXT_COST = 16
"""Ratings' worth of memory that even an empty context costs: the matrices that are solved for its user."""

INPUT_NAMES = ("features", "context_movies", "context_stars", "context_weights", "users", "movies")
"""The network's inputs, in order; one without an encoder takes only the features."""
OUTPUT_NAMES = ("rating", "interval_low", "interval_high")
"""The network's outputs, in order, each (n_queries,) stars."""
KNOWN_INPUT_NAMES = ("features", "people", "asked")
"""The inputs of the network for users whose vectors are stored."""
KNOWN_OUTPUT_NAMES = ("predictions",)
"""Its output: (n_queries, 3) stars, the columns of `OUTPUT_NAMES`."""


@dataclass(frozen=True, slots=True, eq=False)
class ContextBatch:
    """Some groups' contexts and all their queries."""

    rows: NDArray[np.int64]
    """(n_queries,) which of the queries these are."""
    context_movies: NDArray[np.int64]
    """(n_groups, longest) rows of the movie table; `UNKNOWN_ROW` in the padding."""
    context_stars: NDArray[np.float32]
    """(n_groups, longest) stars; 0 in the padding."""
    context_weights: NDArray[np.float32]
    """(n_groups, longest) 1 for a rating, 0 for padding."""
    users: NDArray[np.int64]
    """(n_queries,) which of the batch's contexts each query uses."""
    movies: NDArray[np.int64]
    """(n_queries,) rows of the movie table."""


def batch_contexts(contexts: Contexts, queries: Queries) -> Iterator[ContextBatch]:
    """Yield every query once, with contexts of like length together so that little is padded.

    Args:
        contexts: the users' visible ratings.
        queries: who asks for which movie.
    """
    lengths = np.diff(contexts.offsets)
    order = np.argsort(queries.groups, kind="stable")
    starts = np.searchsorted(queries.groups[order], np.arange(contexts.n_groups + 1))
    asked_counts = np.diff(starts)
    busy = np.flatnonzero(asked_counts > 0)
    busy = busy[np.argsort(lengths[busy], kind="stable")]
    first = 0
    while first < len(busy):
        last = first + 1
        while (
            last < len(busy) and (last + 1 - first) * (lengths[busy[last]] + _CONTEXT_COST) <= CHUNK_RATINGS
        ):
            last += 1
        groups = busy[first:last]
        rows = np.concatenate([order[starts[group] : starts[group + 1]] for group in groups])
        movies, stars, weights = _pad(contexts, groups)
        yield ContextBatch(
            rows=rows,
            context_movies=movies,
            context_stars=stars,
            context_weights=weights,
            users=np.repeat(np.arange(len(groups)), asked_counts[groups]),
            movies=queries.movies[rows].astype(np.int64) + 1,
        )
        first = last


class Session(Protocol):
    """What is needed of an onnxruntime session, so that this module need not import it."""

    def get_inputs(self) -> Sequence[Any]:
        """The graph's inputs."""

    def run(self, output_names: Sequence[str] | None, input_feed: dict[str, Any]) -> Sequence[Any]:
        """Compute the graph's outputs."""


def run_session(
    session: Session, features: NDArray[np.float32], contexts: Contexts, queries: Queries
) -> NDArray[np.float32]:
    """Run an exported network over queries.

    Args:
        session: of the network.
        features: (n_queries, n_features) the network's feature columns.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        (n_queries, 3) stars, the columns of `OUTPUT_NAMES`.
    """
    predicted = np.empty((len(queries), len(OUTPUT_NAMES)), dtype=np.float32)
    if len(session.get_inputs()) == 1:
        predicted.T[:] = session.run(OUTPUT_NAMES, {"features": features})
        return predicted
    for batch in batch_contexts(contexts, queries):
        feeds = {name: getattr(batch, name) for name in INPUT_NAMES[1:]}
        outputs = session.run(OUTPUT_NAMES, {"features": features[batch.rows], **feeds})
        predicted[batch.rows] = np.stack(outputs, axis=1)
    return predicted


def run_known_session(
    session: Session, features: NDArray[np.float32], people: NDArray[np.float32], asked: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Run the exported network for users whose vectors are stored.

    Args:
        session: of that network.
        features: (n_queries, n_features) the network's feature columns.
        people: (n_queries, n_samples, 1 + width) 1 and the vectors of each query's user.
        asked: (n_queries, n_samples, 1 + width) each query's row of the movie table.

    Returns:
        (n_queries, 3) stars, the columns of `OUTPUT_NAMES`.
    """
    feeds = {"features": features, "people": people, "asked": asked}
    predicted: NDArray[np.float32] = session.run(KNOWN_OUTPUT_NAMES, feeds)[0]
    return predicted


def _pad(
    contexts: Contexts, groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    starts, stops = contexts.offsets[groups], contexts.offsets[groups + 1]
    longest = max(1, int((stops - starts).max()))
    places = starts[:, None] + np.arange(longest)  # (n_groups, longest)
    real = places < stops[:, None]
    movies = np.full(places.shape, UNKNOWN_ROW, dtype=np.int64)
    stars = np.zeros(places.shape, dtype=np.float32)
    movies[real] = contexts.movies[places[real]].astype(np.int64) + 1
    stars[real] = contexts.codes[places[real]] * np.float32(HALF_STAR)
    return movies, stars, real.astype(np.float32)
