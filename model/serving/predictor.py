"""From a bundle and queries to predictions: history lookups, features, one onnxruntime session."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.batches import OUTPUT_NAMES, run_session
from model.bundle import Bundle
from model.errors import PredictionError
from model.features import MOVIE_SHRINKAGE, FeatureTable, compute_features
from model.history import ERA_NAMES, NO_ERA, UNKNOWN
from model.neighbours import NeighbourSearch, find_neighbours
from model.questions import KnownRating, Query, QueryReader, VisibleQueries
from model.quick import Found, QuickLookup
from model.serving.prediction import (
    Neighbour,
    Prediction,
    Recommendation,
    Recommendations,
    explain,
)
from model.serving.sessions import KnownUserSession, open_session
from model.table import HALF_STAR, Ids, RatingScale

__all__ = [
    "KnownRating",
    "Neighbour",
    "Prediction",
    "Predictor",
    "Query",
    "Recommendation",
    "Recommendations",
]

SELF_TEST_TOLERANCE = 1e-3
"""Largest difference between the self-test's prediction and the one made at export, stars."""


SHORTLIST, MIN_SHORTLIST = 3, 100
"""How many movies are ranked by the whole network for each one that is recommended, and at least."""
MOST_CUTS = 8
"""Different `as_of` days that are looked up together."""


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
        self._session = open_session(bundle.network_path, OUTPUT_NAMES)
        self._vectors = bundle.vectors
        self._known_session = None
        if bundle.vectors is not None:
            self._known_session = KnownUserSession(
                bundle.known_users_path, bundle.vectors, n_features=len(self._feature_names)
            )
        self._quick = None
        self._users: dict[int, int] = {}
        self._movies: dict[int, int] = {}
        nearest, sums = bundle.nearest_users, bundle.user_sums
        if self._known_session is not None and nearest is not None and sums is not None:
            self._quick = QuickLookup(
                bundle.history,
                self._reader.whole,
                nearest,
                sums,
                names=self._feature_names,
                most_candidates=most,
            )
            # where there are lists there are few enough users to have rows by id, which is quicker to ask
            self._users = _number(bundle.history.user_ids)
            self._movies = _number(bundle.history.movie_ids)
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
        predictions = self._predict_quickly(queries)
        if None not in predictions:
            return predictions  # type: ignore[return-value]  # as was just asked
        others = [query for query, prediction in zip(queries, predictions, strict=True) if prediction is None]
        explained = (
            prediction for part in _split_by_cut(others) for prediction in self._predict_by_matrix(part)
        )
        return [prediction or next(explained) for prediction in predictions]

    def predict_ratings(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Predict each query without saying what it rests on: (n_queries,) stars.

        Raises:
            PredictionError: if a fold-in rating is off the scale or given twice.
        """
        parts = [np.empty(0, dtype=np.float32)]
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
        self,
        user_id: int | None,
        *,
        ratings: tuple[KnownRating, ...] = (),
        n: int,
        era: str | None = None,
        day: int | None = None,
    ) -> Recommendations:
        """The movies that a user would rate highest, of those that others have rated and the user has not.

        What is cheap to ask about all movies draws up a shortlist, which the whole network ranks: the encoder
        by itself; where there is none, the movies' mean ratings, shrunk.

        Args:
            user_id: a user of the history; None or an unknown id is a user without history.
            ratings: fold-in, as of a `Query`.
            n: how many movies at most.
            era: only movies of this era, one of `model.history.ERA_NAMES`; None for all.
            day: the day the predictions are for, days since 1970-01-01; None as for a `Query`.

        Returns:
            Highest first; of equal ones (the top of the scale cuts many off) the shortlist's favourite, then
            the lower id.

        Raises:
            PredictionError: if a fold-in rating is off the scale or given twice.
        """
        visible = self._reader.read_unseen(user_id, ratings, day=day)
        if era is not None:
            visible = visible.take(visible.queries.eras == ERA_NAMES.index(era))
        n_known = len(visible.contexts.movies)
        if not len(visible.queries):
            return Recommendations(movies=(), n_user_ratings=n_known)
        scores = self._score_movies(visible)[visible.queries.movies]
        n_listed = max(SHORTLIST * n, MIN_SHORTLIST)
        if len(scores) > n_listed:
            listed = np.sort(np.argpartition(-scores, n_listed)[:n_listed])
            visible, scores = visible.take(listed), scores[listed]
        predicted = self._run(self._compute_features(visible).matrix, visible)
        best = np.lexsort((-scores, -predicted[:, 0]))[:n]
        movie_ids = self._bundle.history.movie_ids[visible.queries.movies[best]].tolist()
        return Recommendations(
            movies=tuple(
                Recommendation(movie_id=movie_id, predicted_rating=rating, interval=(low, high))
                for movie_id, (rating, low, high) in zip(movie_ids, predicted[best].tolist(), strict=True)
            ),
            n_user_ratings=n_known,
        )

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

    def _predict_quickly(self, queries: Sequence[Query]) -> list[Prediction | None]:
        """Predict the queries whose answers can be looked up quickly; None for each of the others."""
        asked = [self._look_up(query) for query in queries]
        known = [each for each in asked if each is not None]
        predicted = iter(self._run_known(known))
        return [each and self._put_together(each[2], next(predicted)) for each in asked]

    def _look_up(self, query: Query) -> tuple[int, int, Found] | None:
        """The user's row, the movie's row in the movie table, and what is to be known of both."""
        if query.user_id is None or query.ratings or query.as_of is not None or self._quick is None:
            return None
        user, movie = self._users.get(query.user_id), self._movies.get(query.movie_id)
        if user is None or movie is None:
            return None
        found = self._quick.look_up(user, movie, self._reader.day_of(query))
        return None if found is None else (user, movie + 1, found)

    def _run_known(self, asked: Sequence[tuple[int, int, Found]]) -> Sequence[Sequence[float]]:
        """Run the network for known users: the rating and the bounds of its interval, stars, of each."""
        if self._known_session is None or not asked:
            return []
        users, movies, found = zip(*asked, strict=True)
        return self._known_session.predict_few([each.features for each in found], users, movies)

    def _put_together(self, found: Found, predicted: Sequence[float]) -> Prediction:
        name_of = self._bundle.history.user_ids.item
        rating, low, high = predicted
        return Prediction(
            predicted_rating=rating,
            interval=(low, high),
            user_known=True,
            movie_known=found.n_movie_ratings > 0,
            n_user_ratings=found.n_user_ratings,
            n_movie_ratings=found.n_movie_ratings,
            era=None if found.era == NO_ERA else ERA_NAMES[found.era],
            era_mean=found.era_mean,
            neighbours=tuple([
                Neighbour(name_of(user), rating, distance, common)
                for user, rating, distance, common in found.neighbours
            ]),
        )

    def _predict_by_matrix(self, queries: Sequence[Query]) -> list[Prediction]:
        """Predict some queries by way of the feature matrix."""
        visible = self._reader.read(queries)
        table = self._compute_features(visible)
        return explain(self._bundle.history, visible, table, self._run(table.matrix, visible))

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

    def _score_movies(self, visible: VisibleQueries) -> NDArray[np.floating]:
        """What the shortlist for the one user of `visible` goes by: (n_movies,) stars above some level."""
        contexts, vectors = visible.contexts, self._vectors
        if vectors is None:
            return shrink_means(self._bundle.history.movie_histogram)
        if visible.stored_users[0] != UNKNOWN:
            return vectors.score(vectors.users[visible.stored_users[0]])
        return vectors.score(vectors.solve(contexts.movies, contexts.codes * np.float32(HALF_STAR)))

    def _run(self, features: NDArray[np.float32], visible: VisibleQueries) -> NDArray[np.float32]:
        queries, users = visible.queries, visible.stored_users
        if self._known_session is None:
            return run_session(self._session, features, visible.contexts, queries)
        predicted = np.empty((len(queries), len(OUTPUT_NAMES)), dtype=np.float32)
        known = users != UNKNOWN
        if known.any():
            predicted[known] = self._known_session.predict_many(
                features[known], users[known], queries.movies[known] + 1
            )
        if not known.all():
            predicted[~known] = run_session(
                self._session, features[~known], visible.contexts, queries.take(~known)
            )
        return predicted


def _number(ids: Ids) -> dict[int, int]:
    """The place of each id."""
    return dict(zip(ids.tolist(), range(len(ids)), strict=True))


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
    if queries:
        yield queries[first:]


def shrink_means(histogram: NDArray[np.int64]) -> NDArray[np.float64]:
    """Movies' mean ratings less the overall mean, shrunk towards zero: (n_movies,) stars.

    Args:
        histogram: (n_movies, N_CODES) how often each movie got each code.
    """
    counts = histogram.sum(axis=1)
    stars = histogram @ (np.arange(histogram.shape[1]) * HALF_STAR)
    overall = stars.sum() / max(counts.sum(), 1)
    shrunk: NDArray[np.float64] = (stars - counts * overall) / (counts + MOVIE_SHRINKAGE)
    return shrunk
