"""Plain biases as an encoder, and when they are preferred."""

from pathlib import Path

import numpy as np
import pytest
from builders import Rated, make_ratings
from tiny_run import TINY_CONFIG

from model.features import FULL_FEATURES
from model.history import build_history
from model.table import Ratings
from model.training import fit, plain
from model.training.baselines import predict_baselines
from model.training.evaluation import predict_test
from model.training.fit import EncodedRows, encode_rows, fit_network
from model.training.plain import is_ahead
from model.training.prepare import prepare_rows


def encode(ratings: Ratings, folder: Path) -> EncodedRows:
    """Encode the held-out rows of some ratings."""
    history = build_history(ratings)
    return encode_rows(history, prepare_rows(history, TINY_CONFIG), TINY_CONFIG, folder)


def test_network_predicts_as_the_biases_when_ratings_are_too_few(
    tiny_ratings: Ratings, tmp_path: Path
) -> None:
    """From 400 ratings everybody gets the baseline's prediction, unknown users and movies too."""
    history = build_history(tiny_ratings.take(np.arange(400)))
    prepared = prepare_rows(history, TINY_CONFIG)
    encoded = encode_rows(history, prepared, TINY_CONFIG, tmp_path)
    assert encoded.is_plain
    trained = fit_network(history, prepared, TINY_CONFIG, tmp_path, names=FULL_FEATURES, encoded=encoded)
    user, movie, unknown = int(tiny_ratings.user_ids[0]), int(tiny_ratings.movie_ids[0]), 10**6
    strange = make_ratings([Rated(unknown, movie, 3), Rated(user, unknown, 3), Rated(unknown, unknown, 3)])
    for asked in (tiny_ratings.take(np.arange(400, 1_200)), strange):
        predicted = predict_test(history, asked, {"full": trained}).predicted["full"]
        assert predicted[:, 0] == pytest.approx(predict_baselines(history, asked)["biases"], abs=1e-4)


def test_held_out_rows_are_predicted_by_biases_blind_to_them_when_ratings_are_too_few(
    tiny_ratings: Ratings, tmp_path: Path
) -> None:
    """What the intervals are calibrated on are the baseline's predictions from the other folds' ratings."""
    history = build_history(tiny_ratings.take(np.arange(400)))
    prepared = prepare_rows(history, TINY_CONFIG)
    encoded = encode_rows(history, prepared, TINY_CONFIG, tmp_path)
    rows = prepared.rows
    users = np.repeat(np.arange(history.n_users), np.diff(history.user_offsets))
    for fold in prepared.chosen:
        kept = prepared.folds != fold
        others = build_history(
            make_ratings([
                Rated(int(history.user_ids[user]), int(history.movie_ids[movie]), code / 2)
                for user, movie, code in zip(
                    users[kept], history.user_movies[kept], history.user_codes[kept], strict=True
                )
            ])
        )
        of_fold = rows.group_folds[rows.queries.groups] == fold
        asked = np.flatnonzero(of_fold & ~rows.is_shortened)
        people = rows.contexts.users[rows.queries.groups[asked]]
        expected = predict_baselines(
            others,
            make_ratings([
                Rated(int(history.user_ids[user]), int(history.movie_ids[movie]), 3)
                for user, movie in zip(people, rows.queries.movies[asked], strict=True)
            ]),
        )
        assert encoded.means[asked].clamp(1, 5).numpy() == pytest.approx(expected["biases"], abs=1e-4)
    assert encoded.spreads.abs().max() < 1e-4


@pytest.mark.parametrize("is_better", [True, False])
def test_biases_are_preferred_when_held_out_rows_do_not_show_a_gain(
    tiny_ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_better: bool
) -> None:
    """Of 600 ratings the held-out rows decide."""
    monkeypatch.setattr(fit, "is_ahead", lambda *_: is_better)
    assert encode(tiny_ratings.take(np.arange(600)), tmp_path).is_plain is not is_better


def test_nobody_asks_for_a_gain_when_ratings_are_many(
    tiny_ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the biases are not even solved for."""
    monkeypatch.setattr(fit, "MOST_DOUBTED", 1_000)
    monkeypatch.setattr(plain, "solve_biases", None)
    assert not encode(tiny_ratings, tmp_path).is_plain


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        # gains of four times 0.5 and once -0.5 have the mean 0.3, from which they are 0.2 and -0.8
        ([0, 1, 2, 3, 7], True),  # 1.5 > √((4 · 0.2² + 0.8²) · 5/4) = 1
        ([0, 0, 0, 0, 1], False),  # 1.5 < √((0.8² + 0.8²) · 2/1) = 1.6
        ([4, 4, 4, 4, 4], False),  # of one there is no standard error
    ],
)
def test_predictions_are_ahead_when_gain_exceeds_its_standard_error(
    users: list[int], *, expected: bool
) -> None:
    """The gain of five rows is 1.5 in all; ratings of one user are one observation."""
    gains = np.array([0.5, 0.5, 0.5, 0.5, -0.5])
    stars = np.array([3.0, 4.0, 2.0, 3.0, 5.0])
    missed = np.where(gains > 0, np.sqrt([0.5]), 0.0)
    biased, mixed = stars + missed, stars - np.where(gains < 0, np.sqrt([0.5]), 0.0)
    assert is_ahead(mixed, biased, stars, np.array(users)) is expected
