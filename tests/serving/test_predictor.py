"""Predictions from a loaded bundle: what they may see, what they rest on, and what is refused."""

import dataclasses
import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from builders import Found, Rated
from reference import answer

from model.bundle import MANIFEST, NETWORK, Bundle, load_bundle
from model.dates import parse_day
from model.errors import ArtifactIncompatibleError, PredictionError
from model.features import FeatureTable
from model.history import NO_CUT, History, build_history
from model.neighbours import NeighbourSearch
from model.questions import VisibleQueries
from model.serving.predictor import KnownRating, Prediction, Predictor, Query, Recommendations
from model.table import Movies, Ratings

STRANGER, NOTHING = 2_649_430, 9_999
"""A user and a movie that the made-up data cannot have."""


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    """The tiny bundle."""
    return load_bundle(bundle_path)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    """Serves it."""
    return Predictor(bundle)


def list_rows(history: History) -> list[Rated]:
    """All ratings of a history, each user's in time order."""
    users = np.repeat(history.user_ids, np.diff(history.user_offsets))
    movies = history.movie_ids[history.user_movies]
    columns = (users, movies, history.user_codes / 2, history.user_days)
    return list(itertools.starmap(Rated, zip(*(column.tolist() for column in columns), strict=True)))


def with_rows(bundle: Bundle, rows: list[Rated]) -> Predictor:
    """The same network and catalogue with other ratings."""
    ordered = sorted(rows, key=lambda row: row.day)
    ratings = Ratings(
        user_ids=np.array([row.user for row in ordered], dtype=np.int64),
        movie_ids=np.array([row.movie for row in ordered], dtype=np.int64),
        stars=np.array([row.stars for row in ordered], dtype=np.float32),
        days=np.array([row.day for row in ordered], dtype=np.int16),
        movies=Movies(
            movie_ids=bundle.history.movie_ids,
            titles=[""] * bundle.history.n_movies,
            release_years=bundle.history.release_years,
        ),
        scale=bundle.history.scale,
    )
    return Predictor(bundle.with_history(build_history(ratings)))


def rated_by(rows: list[Rated], user: int) -> tuple[KnownRating, ...]:
    """A user's ratings as they would come with a request."""
    return tuple(KnownRating(row.movie, row.stars, row.day) for row in rows if row.user == user)


def unrated_pairs(rows: list[Rated], n: int) -> list[tuple[int, int]]:
    """Some pairs of known users and movies without a rating."""
    rated = {(row.user, row.movie) for row in rows}
    users, movies = sorted({row.user for row in rows}), sorted({row.movie for row in rows})
    pairs = [(user, movie) for user in users for movie in movies if (user, movie) not in rated]
    return pairs[:: max(1, len(pairs) // n)]


def list_stars(predictions: list[Prediction]) -> list[float]:
    return [prediction.predicted_rating for prediction in predictions]


def list_best(found: Recommendations) -> list[float]:
    return [each.predicted_rating for each in found.movies]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_future_ratings_never_change_a_prediction_when_history_is_cut(
    bundle: Bundle, predictor: Predictor, share: float
) -> None:
    """With `as_of`, ratings from that day on may be absent or any stars: nothing changes, to the last bit."""
    rows = list_rows(bundle.history)
    cut = sorted(row.day for row in rows)[int(share * len(rows))]
    past = [row for row in rows if row.day < cut]
    twisted = [row if row.day < cut else row._replace(stars=6 - row.stars) for row in rows]
    pairs = [(row.user, row.movie) for row in rows[::25]] + unrated_pairs(rows, 30)
    cut_queries = [Query(user_id=user, movie_id=movie, as_of=cut) for user, movie in pairs]
    expected = predictor.predict(cut_queries)
    assert with_rows(bundle, twisted).predict(cut_queries) == expected
    uncut_queries = [dataclasses.replace(query, as_of=None, day=cut) for query in cut_queries]
    assert with_rows(bundle, past).predict(uncut_queries) == expected
    assert len(past) < len(rows)


def test_rating_of_the_cut_day_is_invisible_when_as_of_is_that_day(
    bundle: Bundle, predictor: Predictor
) -> None:
    """`as_of` is strict: a day later the rating counts."""
    row = list_rows(bundle.history)[-1]
    other = next(movie for movie in bundle.history.movie_ids.tolist() if movie != row.movie)
    [on_the_day, day_after] = predictor.predict([
        Query(user_id=row.user, movie_id=other, as_of=row.day),
        Query(user_id=row.user, movie_id=other, as_of=row.day + 1),
    ])
    same_day = sum(1 for each in list_rows(bundle.history) if each.user == row.user and each.day == row.day)
    assert day_after.n_user_ratings - on_the_day.n_user_ratings in {same_day, same_day - 1}
    assert day_after.n_user_ratings > on_the_day.n_user_ratings


def test_own_rating_is_invisible_when_its_pair_is_asked(bundle: Bundle, predictor: Predictor) -> None:
    """Another rating of the same pair, or none, gives the same prediction, to rounding."""
    rows = list_rows(bundle.history)
    for place in range(0, len(rows), 150):
        row = rows[place]
        query = Query(user_id=row.user, movie_id=row.movie)
        [expected] = predictor.predict([query])
        changed = [
            *rows[:place],
            row._replace(stars=6 - row.stars if row.stars != 3 else 5),
            *rows[place + 1 :],
        ]
        for other_rows in (changed, rows[:place] + rows[place + 1 :]):
            [seen] = with_rows(bundle, other_rows).predict([query])
            assert seen.predicted_rating == pytest.approx(expected.predicted_rating, abs=1e-5)
            assert seen.neighbours == expected.neighbours
            assert seen.n_user_ratings == expected.n_user_ratings
            assert seen.n_movie_ratings == expected.n_movie_ratings


def test_stored_vectors_give_what_the_encoder_gives(bundle: Bundle, predictor: Predictor) -> None:
    """Known users and unrated movies, unknown ones among them: with and without the stored vectors."""
    assert bundle.vectors is not None
    rows = list_rows(bundle.history)
    queries = [
        *(
            Query(user_id=user, movie_id=movie, day=day)
            for user, movie in unrated_pairs(rows, 40)
            for day in (None, 5)
        ),
        Query(user_id=rows[0].user, movie_id=987_654),
        Query(user_id=rows[0].user, movie_id=rows[0].movie),
        Query(user_id=987_654, movie_id=rows[0].movie),
    ]
    solved = Predictor(bundle.with_history(bundle.history)).predict(queries)
    for stored, plain in zip(predictor.predict(queries), solved, strict=True):
        assert stored.predicted_rating == pytest.approx(plain.predicted_rating, abs=1e-5)
        assert stored.interval == pytest.approx(plain.interval, abs=1e-5)
        assert stored.neighbours == plain.neighbours


@pytest.mark.parametrize("as_of", [None, "middle"])
@pytest.mark.parametrize("first_day", [None, 11_000])
def test_predict_pairs_gives_what_single_queries_give(
    bundle: Bundle, predictor: Predictor, as_of: str | None, first_day: int | None
) -> None:
    """Rated and unrated pairs, strangers and unlisted movies, uncut and cut, with and without days."""
    rows = list_rows(bundle.history)
    cut = None if as_of is None else sorted(row.day for row in rows)[len(rows) // 2]
    pairs = [
        *((row.user, row.movie) for row in rows[::60]), *unrated_pairs(rows, 20),
        (987_654, rows[0].movie), (rows[0].user, 987_654), (987_654, 987_654),
    ]  # fmt: skip
    days = None if first_day is None else [first_day + 30 * place for place in range(len(pairs))]
    predicted = predictor.predict_pairs(
        np.array([user for user, _ in pairs]),
        np.array([movie for _, movie in pairs]),
        cuts=np.full(len(pairs), NO_CUT if cut is None else cut, dtype=np.int32),
        days=None if days is None else np.array(days, dtype=np.int32),
    )
    expected = [
        predictor.predict([
            Query(user_id=user, movie_id=movie, as_of=cut, day=None if days is None else days[place])
        ])[0].predicted_rating
        for place, (user, movie) in enumerate(pairs)
    ]
    assert predicted.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("era", [None, "1970-1989"])
def test_recommendations_are_the_highest_predictions_of_unrated_movies(
    bundle: Bundle, predictor: Predictor, era: str | None
) -> None:
    """Asked one by one about every rated movie that the user has not rated, the highest are the same."""
    rows = list_rows(bundle.history)
    user = rows[10].user
    own = {row.movie for row in rows if row.user == user}
    movies = sorted({row.movie for row in rows} - own)
    predictions = [
        predictor.predict([Query(user_id=user, movie_id=movie, day=12_000)])[0] for movie in movies
    ]
    expected = sorted(
        (-prediction.predicted_rating, movie)
        for prediction, movie in zip(predictions, movies, strict=True)
        if era is None or prediction.era == era
    )[:5]
    found = predictor.recommend(user, n=5, era=era, day=12_000)
    assert [each.movie_id for each in found.movies] == [movie for _, movie in expected]
    assert list_best(found) == pytest.approx([-minus for minus, _ in expected], abs=1e-5)
    assert (found.n_user_ratings, found.fallback) == (len(own), None)
    [best] = predictor.predict([Query(user_id=user, movie_id=expected[0][1], day=12_000)])
    assert found.movies[0].interval == pytest.approx(best.interval, abs=1e-5)


def test_recommendations_come_from_a_shortlist_when_movies_are_many(
    bundle: Bundle, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a shortlist of 6 the best 2: the encoder's own best ones, ranked by the whole network."""
    monkeypatch.setattr("model.serving.predictor.MIN_SHORTLIST", 6)
    rows = list_rows(bundle.history)
    user = rows[10].user
    asked: list[int] = []

    def watch(visible: VisibleQueries, search: NeighbourSearch | None = None) -> FeatureTable:
        asked.extend(bundle.history.movie_ids[visible.queries.movies].tolist())
        return compute_features(visible, search)

    compute_features = predictor._compute_features
    monkeypatch.setattr(predictor, "_compute_features", watch)
    found = predictor.recommend(user, n=2)
    vectors = bundle.vectors
    assert vectors is not None
    [index] = bundle.history.find_users(np.array([user])).tolist()
    own = {row.movie for row in rows if row.user == user}
    scores = {
        int(movie): np.mean([
            vectors.movies[place + 1, sample, 0]
            + vectors.movies[place + 1, sample, 1:] @ vectors.users[index, sample]
            for sample in range(vectors.users.shape[1])
        ])
        for place, movie in enumerate(bundle.history.movie_ids)
        if movie not in own and movie in {row.movie for row in rows}
    }
    assert asked == sorted(sorted(scores, key=lambda movie: -scores[movie])[:6])
    assert {each.movie_id for each in found.movies} <= set(asked)


def test_recommendations_are_the_same_when_a_known_users_ratings_are_sent(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Folded in instead of looked up, or both: the same movies, predictions and count."""
    rows = list_rows(bundle.history)
    user = rows[10].user
    ratings = rated_by(rows, user)
    known = predictor.recommend(user, n=8)
    for same in (
        predictor.recommend(None, ratings=ratings, n=8),
        predictor.recommend(STRANGER, ratings=ratings[::-1], n=8),
        predictor.recommend(user, ratings=ratings, n=8),
        Predictor(bundle.with_history(bundle.history)).recommend(user, n=8),
    ):
        assert [each.movie_id for each in same.movies] == [each.movie_id for each in known.movies]
        assert list_best(same) == pytest.approx(list_best(known), abs=1e-5)
        assert same.n_user_ratings == known.n_user_ratings == len(ratings)


def test_recommendations_leave_out_what_is_sent_when_user_is_known(
    bundle: Bundle, predictor: Predictor
) -> None:
    """A movie that comes with the request is seen, like those of the history; unlisted ones tell nothing."""
    user = list_rows(bundle.history)[10].user
    [best, *_] = predictor.recommend(user, n=1).movies
    sent = (KnownRating(best.movie_id, 1.0), KnownRating(NOTHING, 5.0))
    found = predictor.recommend(user, ratings=sent, n=100)
    assert best.movie_id not in {each.movie_id for each in found.movies}
    assert found.n_user_ratings == predictor.recommend(user, n=1).n_user_ratings + 1


def test_recommendations_say_that_the_user_is_new_when_nothing_is_known(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Strangers all get the same movies, with the prediction that each gets alone."""
    nobody = predictor.recommend(None, n=5)
    assert nobody == predictor.recommend(STRANGER, n=5)
    assert (nobody.fallback, nobody.n_user_ratings, len(nobody.movies)) == ("new_user", 0, 5)
    alone = predictor.predict([Query(movie_id=each.movie_id) for each in nobody.movies])
    assert list_best(nobody) == pytest.approx(list_stars(alone), abs=1e-5)
    assert list_best(nobody) == sorted(list_best(nobody), reverse=True)


def test_recommendations_are_none_when_everything_is_seen(bundle: Bundle, predictor: Predictor) -> None:
    """Whoever has rated all movies gets an empty list."""
    everything = tuple(KnownRating(movie, 3.0) for movie in bundle.history.movie_ids.tolist())
    assert predictor.recommend(None, ratings=everything, n=5).movies == ()


def test_recommendations_are_refused_when_a_rating_is_off_the_scale(
    bundle: Bundle, predictor: Predictor
) -> None:
    """As a prediction would be."""
    movie = int(bundle.history.movie_ids[0])
    with pytest.raises(PredictionError, match="off the scale"):
        predictor.recommend(None, ratings=(KnownRating(movie, 7.0),), n=5)


def test_shortlist_is_of_the_best_rated_when_there_is_no_encoder(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without vectors the movies with the highest shrunken means are ranked by the network."""
    monkeypatch.setattr("model.serving.predictor.MIN_SHORTLIST", 6)
    rows = list_rows(bundle.history)
    overall = sum(row.stars for row in rows) / len(rows)
    levels = {
        movie: sum(row.stars - overall for row in rows if row.movie == movie)
        / (sum(row.movie == movie for row in rows) + 5)
        for movie in {row.movie for row in rows}
    }
    listed = sorted(levels, key=lambda movie: -levels[movie])[:6]
    found = Predictor(bundle.with_history(bundle.history)).recommend(None, n=2)
    assert {each.movie_id for each in found.movies} <= set(listed)


def test_equal_predictions_are_ordered_by_the_encoder_when_the_scale_cuts_them_off(
    bundle: Bundle, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of movies that all get five stars, the encoder's favourites come first."""
    monkeypatch.setattr(
        predictor, "_run", lambda features, _: np.full((len(features), 3), 5.0, dtype=np.float32)
    )
    assert bundle.vectors is not None
    scores = bundle.vectors.score(
        bundle.vectors.solve(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))
    )
    rated = np.diff(bundle.history.movie_offsets) > 0
    order = [place for place in np.argsort(-scores).tolist() if rated[place]]
    found = predictor.recommend(None, n=4)
    assert [each.movie_id for each in found.movies] == bundle.history.movie_ids[order[:4]].tolist()


def test_batch_equals_single_when_queries_are_mixed(bundle: Bundle, predictor: Predictor) -> None:
    """Known, unknown, cut and folded-in queries, asked together and one by one."""
    rows = list_rows(bundle.history)
    days = sorted(row.day for row in rows)
    pairs = [(row.user, row.movie) for row in rows[::40]] + unrated_pairs(rows, 20)
    queries = [Query(user_id=user, movie_id=movie) for user, movie in pairs]
    queries += [Query(user_id=user, movie_id=movie, as_of=days[len(days) // 2]) for user, movie in pairs[::3]]
    queries += [Query(user_id=STRANGER, movie_id=movie) for _, movie in pairs[:3]]
    queries += [Query(user_id=rows[0].user, movie_id=NOTHING), Query(movie_id=NOTHING)]
    queries += [Query(movie_id=movie, ratings=rated_by(rows, user)[:4]) for user, movie in pairs[:5]]
    together = predictor.predict(queries)
    alone = [predictor.predict([query])[0] for query in queries]
    assert list_stars(together) == pytest.approx(list_stars(alone), abs=1e-5)
    for one, same in zip(together, alone, strict=True):
        assert one.interval == pytest.approx(same.interval, abs=1e-5)
        assert one.interval[0] <= one.predicted_rating <= one.interval[1]
        assert dataclasses.replace(one, predicted_rating=0.0, interval=same.interval) == dataclasses.replace(
            same, predicted_rating=0.0
        )
    assert predictor.predict_ratings(queries).tolist() == pytest.approx(list_stars(together), abs=1e-5)


def test_nothing_is_predicted_when_nothing_is_asked(predictor: Predictor) -> None:
    """No query, no prediction."""
    assert predictor.predict([]) == []
    assert predictor.predict_ratings([]).shape == (0,)


def test_fold_in_equals_the_history_when_it_holds_the_same_ratings(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Whoever sends a known user's ratings gets that user's neighbours and prediction, in any order."""
    rows = list_rows(bundle.history)
    for user, movie in unrated_pairs(rows, 40):
        ratings = rated_by(rows, user)
        known, stranger, backwards, both = predictor.predict([
            Query(user_id=user, movie_id=movie),
            Query(movie_id=movie, ratings=ratings),
            Query(user_id=STRANGER, movie_id=movie, ratings=ratings[::-1]),
            Query(user_id=user, movie_id=movie, ratings=ratings),
        ])
        assert known.neighbours == stranger.neighbours == backwards.neighbours == both.neighbours
        assert list_stars([stranger, backwards, both]) == pytest.approx(
            [known.predicted_rating] * 3, abs=1e-5
        )
        assert known.n_user_ratings == stranger.n_user_ratings == len(ratings)
        assert known.era_mean == stranger.era_mean


def test_fold_in_replaces_and_adds_when_user_is_known(bundle: Bundle, predictor: Predictor) -> None:
    """A rating in the request takes the place of the user's own; movies nobody lists tell nothing."""
    rows = list_rows(bundle.history)
    user = rows[0].user
    mine = [row for row in rows if row.user == user]
    asked = next(movie for pair_user, movie in unrated_pairs(rows, 10_000) if pair_user == user)
    changed = [row._replace(stars=6 - row.stars) for row in mine]
    [whole, folded, stranger, odd] = predictor.predict([
        Query(user_id=user, movie_id=asked),
        Query(user_id=user, movie_id=asked, ratings=rated_by(changed, user)),
        Query(movie_id=asked, ratings=rated_by(changed, user)),
        Query(user_id=user, movie_id=asked, ratings=(KnownRating(NOTHING, 5.0),)),
    ])
    assert folded.n_user_ratings == whole.n_user_ratings == len(mine)
    assert folded.predicted_rating == pytest.approx(stranger.predicted_rating, abs=1e-5)
    assert folded.predicted_rating != pytest.approx(whole.predicted_rating, abs=1e-3)
    assert odd == whole


def test_fold_in_of_the_asked_movie_is_invisible_when_given(bundle: Bundle, predictor: Predictor) -> None:
    """Nobody gets their own answer back."""
    movie, *others = bundle.history.movie_ids.tolist()[:4]
    known = tuple(KnownRating(other, 4.0) for other in others)
    [without, with_answer] = predictor.predict([
        Query(movie_id=movie, ratings=known),
        Query(movie_id=movie, ratings=(*known, KnownRating(movie, 1.0))),
    ])
    assert with_answer == without


def test_fold_in_after_the_cut_is_invisible_when_dated(bundle: Bundle, predictor: Predictor) -> None:
    """A dated rating counts before `as_of` only; one without a date always counts."""
    movie, other = bundle.history.movie_ids.tolist()[:2]
    day = parse_day("2003-06-01")
    counted = [
        predictor.predict([Query(movie_id=movie, ratings=(KnownRating(other, 2.0, given),), as_of=day)])[0]
        for given in (day - 1, day, None)
    ]
    assert [prediction.n_user_ratings for prediction in counted] == [1, 0, 1]


@pytest.mark.parametrize(
    ("stars", "shown"),
    [
        (0.5, "0.5"),
        (5.5, "5.5"),
        (3.5, "3.5"),
        (0.0, "0.0"),
        (-1.0, "-1.0"),
        (float("nan"), "nan"),
        (1e300, "1e\\+300"),
    ],
)
def test_fold_in_is_refused_when_off_the_scale(
    bundle: Bundle, predictor: Predictor, stars: float, shown: str
) -> None:
    """On whole stars from 1 to 5 nothing else is taken; the message says which and what."""
    movie = int(bundle.history.movie_ids[0])
    with pytest.raises(
        PredictionError, match=f"rating {shown} of movie {movie} is off the scale: expected 1 to 5"
    ):
        predictor.predict([Query(movie_id=movie, ratings=(KnownRating(movie, stars),))])


def test_fold_in_is_refused_when_a_movie_is_rated_twice(bundle: Bundle, predictor: Predictor) -> None:
    """Which of two ratings counts is for the sender to say."""
    movie = int(bundle.history.movie_ids[0])
    twice = (KnownRating(movie, 4.0), KnownRating(movie, 5.0))
    with pytest.raises(PredictionError, match="a movie is rated twice in the request"):
        predictor.predict([Query(movie_id=movie, ratings=twice)])


@pytest.mark.parametrize(
    ("user", "movie", "fallback"),
    [
        (None, None, None),
        (STRANGER, None, "new_user"),
        (None, NOTHING, "unknown_movie"),
        (STRANGER, NOTHING, "new_user_and_unknown_movie"),
    ],
)
def test_prediction_says_what_it_rests_on_when_someone_is_unknown(
    bundle: Bundle, predictor: Predictor, user: int | None, movie: int | None, fallback: str | None
) -> None:
    """Unknown users and movies get a prediction on the scale and a reason."""
    known = list_rows(bundle.history)[0]
    asked = Query(user_id=user or known.user, movie_id=movie or known.movie)
    [prediction] = predictor.predict([asked])
    assert prediction.fallback == fallback
    assert prediction.user_known == (user is None)
    assert prediction.movie_known == (movie is None)
    assert 1 <= prediction.predicted_rating <= 5
    if user is not None:
        assert (prediction.n_user_ratings, prediction.era_mean) == (0, 2.0)
    if movie is not None:
        assert (prediction.n_movie_ratings, prediction.era, prediction.neighbours) == (0, None, ())


def test_unknown_movie_has_an_era_when_its_year_is_given(bundle: Bundle, predictor: Predictor) -> None:
    """The request's year stands in for the catalogue's, and only where that has none."""
    listed = int(bundle.history.movie_ids[bundle.history.release_years >= 1990][0])
    eras = [
        predictor.predict([Query(movie_id=movie, release_year=year)])[0].era
        for movie, year in ((NOTHING, 1969), (NOTHING, 1970), (NOTHING, None), (listed, 1969))
    ]
    assert eras == ["before 1970", "1970-1989", None, "1990 and later"]


def test_explanation_equals_plain_loops_when_pairs_are_asked(bundle: Bundle, predictor: Predictor) -> None:
    """Neighbours, their distances and the era mean are those of the definitions, said in loops."""
    history = bundle.history
    rows = list_rows(history)
    years = dict(zip(history.movie_ids.tolist(), history.release_years.tolist(), strict=True))
    for user, movie in [(row.user, row.movie) for row in rows[::400]] + unrated_pairs(rows, 3):
        [prediction] = predictor.predict([Query(user_id=user, movie_id=movie)])
        expected = answer(rows, years, user=user, movie=movie, middle=3.0)
        nearest = [
            Found(found.user_id, found.rating, found.distance, closest.closeness, found.common_movies)
            for found, closest in zip(prediction.neighbours, expected.candidates[:4], strict=True)
        ]
        assert nearest == expected.candidates[:4]
        assert prediction.era_mean == pytest.approx(expected.features["era_mean"])


@pytest.mark.parametrize(("shift", "expected"), [(9.0, 5.0), (-9.0, 1.0)])
def test_prediction_is_clipped_when_network_leaves_the_scale(
    bundle: Bundle, tmp_path: Path, shift: float, expected: float
) -> None:
    """A network that would predict 12 or -6 serves 5 or 1."""
    torch = pytest.importorskip("torch")
    from network_builders import build_intervals

    from model.features import SEED_FEATURES
    from model.training.base import Base
    from model.training.network import Heads, RatingNetwork
    from model.training.onnx_export import write_network

    heads = Heads(torch.zeros(5), torch.ones(5), hidden_size=1, n_heads=1)
    with torch.no_grad():
        heads.biases[-1] += shift
    scale = bundle.history.scale
    network = RatingNetwork(
        encoder=None,
        heads=heads,
        intervals=build_intervals(heads),
        base=Base.constant(3.0, 5),
        low=scale.low,
        high=scale.high,
    )
    write_network(tmp_path / NETWORK, network.eval(), n_features=5)
    shutil.copy(bundle.path / MANIFEST, tmp_path)
    manifest = {**bundle.manifest, "feature_names": list(SEED_FEATURES)}
    predictor = Predictor(dataclasses.replace(bundle, path=tmp_path, manifest=manifest, vectors=None))
    rows = list_rows(bundle.history)
    predicted = predictor.predict_ratings([Query(user_id=row.user, movie_id=row.movie) for row in rows[:5]])
    assert predicted.tolist() == [expected] * 5


def test_self_test_repeats_the_export_when_bundle_works(bundle: Bundle, predictor: Predictor) -> None:
    """The same pair gives the prediction of the manifest."""
    expected = bundle.manifest["self_test"]["predicted_rating"]
    assert predictor.self_test().predicted_rating == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shift", [0.01, -0.01, float("nan")])
def test_self_test_is_refused_when_prediction_differs(bundle: Bundle, shift: float) -> None:
    """A hundredth of a star is too much."""
    expected = bundle.manifest["self_test"]
    changed = {**expected, "predicted_rating": expected["predicted_rating"] + shift}
    predictor = Predictor(dataclasses.replace(bundle, manifest={**bundle.manifest, "self_test": changed}))
    with pytest.raises(PredictionError, match=r"the self-test predicted .* instead of"):
        predictor.self_test()


def test_predictor_is_refused_when_network_is_no_network(bundle: Bundle, tmp_path: Path) -> None:
    """What onnxruntime cannot read is named."""
    (tmp_path / NETWORK).write_bytes(b"not a network")
    with pytest.raises(ArtifactIncompatibleError, match=f"onnxruntime refuses .*{NETWORK}"):
        Predictor(dataclasses.replace(bundle, path=tmp_path))


def test_threads_get_the_same_answers_when_they_share_a_predictor(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Four threads with different days at once: each answer is the one that it would get alone."""
    rows = list_rows(bundle.history)
    days = sorted(row.day for row in rows)[:: len(rows) // 24]
    batches = [
        [Query(user_id=row.user, movie_id=row.movie, as_of=day) for row in rows[::100]] for day in days
    ]
    alone = [predictor.predict_ratings(batch).tolist() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        shared = [predicted.tolist() for predicted in pool.map(predictor.predict_ratings, batches)]
    assert shared == alone
    assert predictor.scale == bundle.history.scale
