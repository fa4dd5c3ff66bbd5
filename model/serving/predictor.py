"""From a bundle and queries to predictions: history lookups, features, one onnxruntime session."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.batches import OUTPUT_NAMES, run_known_session, run_session
from model.bundle import Bundle
from model.errors import ArtifactIncompatibleError, PredictionError
from model.features import FeatureTable, compute_features
from model.history import ERA_NAMES, NO_CUT, NO_ERA, UNKNOWN, History
from model.neighbours import NeighbourSearch, find_neighbours
from model.questions import KnownRating, Query, QueryReader, VisibleQueries
from model.table import HALF_STAR, Ids, RatingScale

# onnxruntime's official builds send telemetry unless this is set before the import
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["KnownRating", "Neighbour", "Prediction", "Predictor", "Query"]

SELF_TEST_TOLERANCE = 1e-3
"""Largest difference between the self-test's prediction and the one made at export, stars."""


SHORTLIST, MIN_SHORTLIST = 3, 100
"""How many movies are ranked by the whole network for each one that is recommended, and at least."""
MOST_CUTS = 8
"""Different `as_of` days that are looked up together."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the nearest users who rated the movie."""

    user_id: int
    rating: float
    """Stars."""
    distance: float
    """Sum of the three smallest gaps, DESIGN 3; 0 to 10.5."""
    common_movies: int
    """How many other movies both rated."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted rating and what it rests on."""

    predicted_rating: float
    """Stars, within the scale."""
    interval: tuple[float, float]
    """Where the actual rating lies in 80 cases of 100: lower and upper bound, stars, within the scale."""
    user_known: bool
    """Whether any rating of the user was available (history or fold-in)."""
    movie_known: bool
    """Whether any rating of the movie was available."""
    n_user_ratings: int
    """How many ratings of the user were used."""
    n_movie_ratings: int
    """How many ratings of the movie were used."""
    era: str | None
    """'before 1970', '1970-1989', '1990 and later', or None for a movie without a year."""
    era_mean: float
    """The user's mean for movies of that era, stars; 2.0 when there is none."""
    neighbours: tuple[Neighbour, ...]
    """Up to four, nearest first."""

    @property
    def fallback(self) -> str | None:
        """Why the prediction rests on less than it should: new_user, unknown_movie, both joined, or None."""
        if self.user_known and self.movie_known:
            return None
        if self.movie_known:
            return "new_user"
        return "unknown_movie" if self.user_known else "new_user_and_unknown_movie"


class Predictor:
    """Predicts from a loaded bundle; safe to share between threads.

    Args:
        bundle: a verified bundle.

    Raises:
        ArtifactIncompatibleError: if onnxruntime refuses the network.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._reader = QueryReader(bundle.history)
        self._feature_names = tuple(bundle.manifest["feature_names"])
        most = bundle.manifest["training_config"]["training"]["most_candidates"]
        self._search = partial(find_neighbours, bundle.history, most_candidates=most)
        self._session = open_session(bundle.network_path)
        self._vectors = bundle.vectors
        self._known_session = None if bundle.vectors is None else open_session(bundle.known_users_path)
        bundle.require_unreplaced()

    @property
    def scale(self) -> RatingScale:
        """The stars that the bundle's data set uses."""
        return self._bundle.history.scale

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Predict each query.

        Raises:
            PredictionError: if a fold-in rating is off the scale or given twice.
        """
        if not queries:
            return []
        predictions: list[Prediction] = []
        for part in _split_by_cut(queries):
            visible = self._reader.read(part)
            table = self._compute_features(visible)
            predicted = self._run(table.matrix, visible)
            predictions += _explain(self._bundle.history, visible, table, predicted)
        return predictions

    def predict_ratings(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Predict each query without saying what it rests on: (n_queries,) stars.

        Raises:
            PredictionError: if a fold-in rating is off the scale or given twice.
        """
        if not queries:
            return np.empty(0, dtype=np.float32)
        parts = []
        for part in _split_by_cut(queries):
            visible = self._reader.read(part)
            parts.append(self._run(self._compute_features(visible).matrix, visible)[:, 0])
        return np.concatenate(parts)

    def predict_pairs(
        self,
        user_ids: Ids,
        movie_ids: Ids,
        *,
        cuts: NDArray[np.int32],
        days: NDArray[np.int32] | None,
        search: NeighbourSearch | None = None,
    ) -> NDArray[np.float32]:
        """Predict many pairs of user and movie, as `predict_ratings` does, faster.

        Args:
            user_ids: (n,) ids, known or not.
            movie_ids: (n,) ids, known or not.
            cuts: (n,) each uses ratings strictly before this day; `NO_CUT` uses all. Different ones cost a
                table of all movies each.
            days: (n,) the day each prediction is for; None is the cut, that failing the day after the last
                rating known.
            search: finds the neighbours; the NumPy search by default.

        Returns:
            (n,) stars.
        """
        pairs = self._reader.read_pairs(user_ids, movie_ids, cuts=cuts, days=days)
        features = self._compute_features(pairs.visible, search).matrix
        predicted = np.empty(len(features), dtype=np.float32)
        plain = ~pairs.has_own
        predicted[plain] = self._run(features[plain], pairs.visible.take(plain))[:, 0]
        if pairs.has_own.any():
            predicted[pairs.has_own] = run_session(
                self._session, features[pairs.has_own], pairs.hidden_contexts, pairs.hidden_queries
            )[:, 0]
        return predicted

    def recommend(
        self, user_id: int, *, n: int, era: str | None = None, day: int | None = None
    ) -> list[tuple[int, float]]:
        """The movies that a known user would rate highest, of those that the user has not rated.

        The encoder, which is cheap to ask about all movies, draws up a shortlist; the whole network ranks it.

        Args:
            user_id: a user of the history.
            n: how many movies at most.
            era: only movies of this era, one of `model.history.ERA_NAMES`; None for all.
            day: the day the predictions are for, days since 1970-01-01; None as for a `Query`.

        Returns:
            Movie ids and predicted ratings in stars, highest first; of equal ones the lower id.

        Raises:
            PredictionError: if the history does not hold the user.
        """
        history = self._bundle.history
        [user] = history.find_users(np.array([user_id])).tolist()
        if user == UNKNOWN:
            raise PredictionError(f"user {user_id} has no ratings here: expected a known user")
        allowed = np.diff(history.movie_offsets) > 0
        allowed[history.user_movies[history.user_rows(user)]] = False
        if era is not None:
            allowed &= history.movie_eras == ERA_NAMES.index(era)
        movies = np.flatnonzero(allowed)
        n_listed = max(SHORTLIST * n, MIN_SHORTLIST)
        if self._vectors is not None and len(movies) > n_listed:
            samples = self._vectors.movies[movies + 1]  # (n_movies, samples, width + 1)
            means = samples[..., 0].mean(axis=1)
            means += np.einsum("msw,sw->m", samples[..., 1:], self._vectors.users[user]) / samples.shape[1]
            movies = np.sort(movies[np.argpartition(-means, n_listed)[:n_listed]])
        if not len(movies):
            return []
        predicted = self.predict_pairs(
            np.full(len(movies), user_id),
            history.movie_ids[movies],
            cuts=np.full(len(movies), NO_CUT, dtype=np.int32),
            days=None if day is None else np.full(len(movies), day, dtype=np.int32),
        )
        best = np.argsort(-predicted, kind="stable")[:n]
        return list(zip(history.movie_ids[movies[best]].tolist(), predicted[best].tolist(), strict=True))

    def self_test(self) -> Prediction:
        """Repeat the prediction that was made at export.

        Raises:
            PredictionError: if it comes out differently.
        """
        expected = self._bundle.manifest["self_test"]
        [prediction] = self.predict([Query(movie_id=expected["movie_id"], user_id=expected["user_id"])])
        difference = abs(prediction.predicted_rating - expected["predicted_rating"])
        if not difference <= SELF_TEST_TOLERANCE:
            raise PredictionError(
                f"the self-test predicted {prediction.predicted_rating} instead of "
                f"{expected['predicted_rating']}: the bundle does not work with the libraries installed here"
            )
        return prediction

    def _compute_features(
        self, visible: VisibleQueries, search: NeighbourSearch | None = None
    ) -> FeatureTable:
        history = self._bundle.history
        return compute_features(
            history,
            visible.views,
            visible.contexts,
            visible.queries,
            search=search or self._search,
            names=self._feature_names,
        )

    def _run(self, features: NDArray[np.float32], visible: VisibleQueries) -> NDArray[np.float32]:
        queries, users = visible.queries, visible.stored_users
        if self._known_session is None or self._vectors is None:
            return run_session(self._session, features, visible.contexts, queries)
        predicted = np.empty((len(queries), len(OUTPUT_NAMES)), dtype=np.float32)
        known = users != UNKNOWN
        if known.any():
            predicted[known] = run_known_session(
                self._known_session,
                features[known],
                self._vectors.users[users[known]],
                self._vectors.movies[queries.movies[known] + 1],
            )
        if not known.all():
            predicted[~known] = run_session(
                self._session, features[~known], visible.contexts, queries.take(~known)
            )
        return predicted


def _split_by_cut(queries: Sequence[Query]) -> Iterator[Sequence[Query]]:
    """Cut a batch where it would ask for too many different days: each takes a table of all movies.

    Yields:
        Consecutive queries with at most `MOST_CUTS` days.
    """
    first = 0
    days: set[int | None] = set()
    for place, query in enumerate(queries):
        days.add(query.as_of)
        if len(days) > MOST_CUTS:
            yield queries[first:place]
            first, days = place, {query.as_of}
    yield queries[first:]


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a network: one thread, which is fastest for single rows and never spins.

    Raises:
        ArtifactIncompatibleError: if onnxruntime refuses it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ArtifactIncompatibleError(f"onnxruntime refuses {path}: {error}") from error
    outputs = tuple(output.name for output in session.get_outputs())
    if outputs != OUTPUT_NAMES:
        raise ArtifactIncompatibleError(f"{path} gives {outputs}: expected {OUTPUT_NAMES}")
    return session


def _explain(
    history: History, visible: VisibleQueries, table: FeatureTable, predicted: NDArray[np.float32]
) -> list[Prediction]:
    queries, contexts, found = visible.queries, visible.contexts, table.neighbours
    lengths = np.diff(contexts.offsets)
    predictions = []
    for row, (rating, lowest, highest) in enumerate(predicted.tolist()):
        group, movie, era = queries.groups[row], queries.movies[row], queries.eras[row]
        n_movie_ratings = 0
        if movie != UNKNOWN:
            n_movie_ratings = int(visible.views.movie_counts[contexts.views[group], movie])
            n_movie_ratings -= int(queries.own_codes[row] > 0)
        predictions.append(
            Prediction(
                predicted_rating=rating,
                interval=(lowest, highest),
                user_known=bool(lengths[group]),
                movie_known=n_movie_ratings > 0,
                n_user_ratings=int(lengths[group]),
                n_movie_ratings=n_movie_ratings,
                era=None if era == NO_ERA else ERA_NAMES[era],
                era_mean=float(table.era_means[row]),
                neighbours=tuple(
                    Neighbour(
                        user_id=int(history.user_ids[found.users[row, rank]]),
                        rating=float(found.codes[row, rank] * HALF_STAR),
                        distance=float(found.distances[row, rank]),
                        common_movies=int(found.common_movies[row, rank]),
                    )
                    for rank in range(int(found.counts[row]))
                ),
            )
        )
    return predictions
