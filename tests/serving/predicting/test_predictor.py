"""Predictions from a loaded bundle: what they rest on, how they are explained, and what is refused."""

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from builders import Found
from bundle_rows import NOTHING, STRANGER, list_rows, list_stars, rated_by, unrated_pairs
from reference import answer

from model.bundle import MANIFEST, NETWORK, Bundle
from model.errors import ArtifactIncompatibleError, PredictionError
from model.history import NO_CUT
from model.serving.predictor import Predictor, Query


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
        assert one._replace(predicted_rating=0.0, interval=same.interval) == same._replace(
            predicted_rating=0.0
        )
    assert predictor.predict_ratings(queries).tolist() == pytest.approx(list_stars(together), abs=1e-5)


def test_nothing_is_predicted_when_nothing_is_asked(predictor: Predictor) -> None:
    """No query, no prediction."""
    assert predictor.predict([]) == []
    assert predictor.predict_ratings([]).shape == (0,)


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
