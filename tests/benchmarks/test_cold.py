"""Folding new users in: who is held out, what is given, what is predicted."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from builders import Rated, make_ratings
from numpy.typing import NDArray
from tiny_run import change_training

from benchmarks.cold import (
    MOST_TARGETS,
    NewUser,
    build_tables,
    fold_in_biases,
    hold_out_users,
    list_new_users,
    main,
    measure_cold,
    predict_new,
)
from benchmarks.ours import BundledModel
from model.errors import DataError
from model.ratings import write_sample_csv
from model.serving.predictor import KnownRating, Predictor, Query
from model.table import Ratings


class Recorder:
    """A predictor that keeps its questions and answers 3.0."""

    def __init__(self) -> None:
        self.queries: list[Query] = []

    def predict_ratings(self, queries: list[Query]) -> NDArray[np.float32]:
        self.queries.extend(queries)
        return np.full(len(queries), 3.0, dtype=np.float32)


def test_hold_out_users_shares_no_user_when_divided(tiny_ratings: Ratings) -> None:
    """A tenth of the users goes with all of their ratings, each time another one; ten times are everybody."""
    everybody = np.unique(tiny_ratings.user_ids).tolist()
    seen: list[int] = []
    for train, held_out in hold_out_users(tiny_ratings, 10):
        users = np.unique(held_out.user_ids)
        assert len(everybody) // 10 <= len(users) <= len(everybody) // 10 + 1
        assert np.intersect1d(users, train.user_ids).tolist() == []
        assert len(train) + len(held_out) == len(tiny_ratings)
        seen += users.tolist()
    assert sorted(seen) == everybody


def test_hold_out_users_draws_the_same_when_asked_again(tiny_ratings: Ratings) -> None:
    """Two draws are the first two of any number of draws."""
    several = [np.unique(held_out.user_ids).tolist() for _, held_out in hold_out_users(tiny_ratings, 4)]
    assert [
        np.unique(held_out.user_ids).tolist() for _, held_out in hold_out_users(tiny_ratings, 2)
    ] == several[:2]


def test_hold_out_users_refuses_when_there_is_one() -> None:
    """Somebody has to be left to train on."""
    with pytest.raises(DataError, match="1 users: expected 2 or more"):
        next(hold_out_users(make_ratings([Rated(1, 1, 3), Rated(1, 2, 3)]), 1))


def test_list_new_users_gives_the_first_and_asks_the_later_when_ordered_by_time() -> None:
    """The ratings given are the first in time; users without later ones are left out."""
    rows = [Rated(7, 1, 3, day=1), Rated(5, 1, 4, day=2), Rated(7, 2, 5, day=3), Rated(7, 3, 2, day=4)]
    [user] = list_new_users(make_ratings(rows), 1)
    assert (user.given.tolist(), user.targets.tolist()) == ([0], [2, 3])


def test_list_new_users_caps_targets_when_there_are_many() -> None:
    """Nobody counts with more than 50 predictions."""
    rows = [Rated(7, movie, 3, day=movie) for movie in range(1, 80)]
    [user] = list_new_users(make_ratings(rows), 2)
    assert user.targets.tolist() == list(range(2, 2 + MOST_TARGETS))


def test_list_new_users_names_the_flag_when_nobody_is_left() -> None:
    """Too long a length is an error that says which flag to change."""
    with pytest.raises(DataError, match=r"more than 3 ratings.*shorter --lengths"):
        list_new_users(make_ratings([Rated(1, 1, 3)]), 3)


def test_fold_in_biases_shrinks_by_fifteen_when_ratings_are_given() -> None:
    """The bias is the sum of residuals over their number plus 15; nothing given is no bias."""
    bases, stars = np.array([3.0, 4.0, 3.5, 2.0]), np.array([5, 5, 1, 1], dtype=np.float32)
    user = NewUser(given=np.array([0, 1]), targets=np.array([2, 3]))
    assert fold_in_biases(bases, stars, [user], 2).tolist() == pytest.approx([3.5 + 3 / 17, 2 + 3 / 17])
    assert fold_in_biases(bases, stars, [user], 1).tolist() == pytest.approx([3.5 + 2 / 16, 2 + 2 / 16])
    assert fold_in_biases(bases, stars, [user], 0).tolist() == [3.5, 2.0]


def test_predict_new_puts_only_the_first_ratings_in_the_request_when_asking() -> None:
    """The request has no user id, the ratings given with their days, and the target's day."""
    held_out = make_ratings([Rated(7, 1, 3, day=1), Rated(7, 2, 5, day=3), Rated(7, 3, 2, day=4)])
    recorder = Recorder()
    user = NewUser(given=np.array([0, 1]), targets=np.array([2]))
    predicted = predict_new(cast("Predictor", recorder), held_out, [user], 1)
    assert predicted.tolist() == [3.0]
    assert recorder.queries == [
        Query(movie_id=3, ratings=(KnownRating(movie_id=1, rating=3.0, day=1),), day=4)
    ]


def test_measure_cold_scores_the_same_rows_when_lengths_differ(tiny_ratings: Ratings) -> None:
    """Movie means do not depend on the ratings given, so that equal rows give an equal line."""
    config = change_training(split="none")
    report = measure_cold(tiny_ratings, [0, 2, 5], n_draws=2, build_model=lambda: BundledModel(config))
    assert [line["ratings_given"] for line in report["lengths"]] == [0, 2, 5]
    assert len({line["rmse"]["movie_mean"] for line in report["lengths"]}) == 1
    assert len({line["rmse"]["full"] for line in report["lengths"]}) == 3
    users = np.concatenate([held_out.user_ids for _, held_out in hold_out_users(tiny_ratings, 2)])
    counts = np.unique(users, return_counts=True)[1]
    assert report["draws"] == 2
    assert report["users_held_out"] == len(counts)
    assert report["users_predicted"] == np.count_nonzero(counts > 5)
    assert report["test_rows"] == np.minimum(counts[counts > 5] - 5, MOST_TARGETS).sum()
    [table] = build_tables({"data": "tiny", **report})
    assert [row[0] for row in table.rows] == ["0", "2", "5"]


@pytest.mark.parametrize("lengths", ["", "1,x", "-1", "1.5"])
def test_main_refuses_when_lengths_are_no_numbers(lengths: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lengths are whole numbers by commas."""
    with pytest.raises(SystemExit) as caught:
        main(["--data", "x", "--lengths", lengths])
    assert caught.value.code == 2
    assert "numbers of ratings by commas" in capsys.readouterr().err


def test_main_names_the_flag_when_histories_are_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data whose users have few ratings is one clear line, before anything is trained."""
    write_sample_csv(make_ratings([Rated(1, 1, 3), Rated(2, 1, 4)]), tmp_path / "few.csv")
    assert main(["--data", str(tmp_path / "few.csv"), "--lengths", "5,3"]) == 2
    assert "more than 5 ratings" in capsys.readouterr().err


def test_main_says_the_range_when_draws_are_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten tenths are everybody."""
    with pytest.raises(SystemExit, match="2"):
        main(["--data", "x", "--draws", "11"])
    assert "11 is out of range: expected 1 to 10" in capsys.readouterr().err
