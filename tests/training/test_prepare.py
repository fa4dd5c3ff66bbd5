"""Held-out rows: which are chosen, who trains, who validates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import Rated, make_history
from tiny_run import TINY_CONFIG, change_training

from model.errors import DataError
from model.features import FULL_FEATURES
from model.history import History
from model.training import prepare
from model.training.prepare import PreparedRows, prepare_rows


def test_prepare_rows_holds_out_whole_folds_when_head_rows_are_few(
    history: History, prepared: PreparedRows
) -> None:
    """400 of 1,200 rows wanted are two of five folds; every rating of them is a row, some seen twice."""
    assert prepared.chosen == range(2)
    n_held_out = int(np.isin(prepared.folds, [0, 1]).sum())
    groups = prepared.rows.queries.groups
    pairs = set(
        zip(
            prepared.rows.contexts.users[groups].tolist(),
            prepared.rows.queries.movies.tolist(),
            strict=True,
        )
    )
    assert len(pairs) == n_held_out
    assert n_held_out < len(prepared.rows.stars) <= 2 * n_held_out
    assert prepared.features.shape == (len(prepared.rows.stars), len(FULL_FEATURES))


def test_prepare_rows_finds_no_neighbours_again_when_the_folder_has_the_features(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interruption the features are read; all else of the rows is the same as without a folder."""
    prepare_rows(history, TINY_CONFIG, tmp_path, say=pytest.fail)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(prepare, "build_bulk_search", refuse)
    again = prepare_rows(history, TINY_CONFIG, tmp_path, say=pytest.fail)
    assert torch.equal(again.features, prepared.features)
    assert torch.equal(again.is_validation, prepared.is_validation)
    assert np.array_equal(again.rows.stars, prepared.rows.stars)
    assert np.array_equal(again.rows.queries.movies, prepared.rows.queries.movies)


@pytest.mark.parametrize(("most_sampled", "n_folds"), [(300_000, 5), (4_800, 4), (100, 3)])
def test_prepare_rows_holds_out_what_the_sampler_can_afford_when_more_rows_are_wanted(
    history: History, monkeypatch: pytest.MonkeyPatch, most_sampled: int, n_folds: int
) -> None:
    """Each fold has 1,200 ratings sampled anew: all five folds, four for 4,800 ratings, never below three."""
    monkeypatch.setattr(prepare, "MOST_SAMPLED", most_sampled)
    assert prepare_rows(history, change_training(head_rows=50_000)).chosen == range(n_folds)


def test_validation_users_never_train_when_rows_are_prepared(prepared: PreparedRows) -> None:
    """No user has rows on both sides, and both sides have rows."""
    users = prepared.rows.contexts.users[prepared.rows.queries.groups]
    is_validation = prepared.is_validation.numpy()
    training_users, validation_users = set(users[~is_validation]), set(users[is_validation])
    assert training_users.isdisjoint(validation_users)
    assert len(training_users) > len(validation_users) > 0


def test_every_tenth_row_validates_when_there_is_one_user() -> None:
    """With one user the users cannot be divided: both sides still have rows."""
    history = make_history([Rated(1, movie, 1 + movie % 5) for movie in range(40)])
    prepared = prepare_rows(history, change_training(head_rows=40))
    assert prepared.is_validation.nonzero().flatten().tolist() == list(range(0, len(prepared.rows.stars), 10))


def test_prepare_rows_says_how_many_are_needed_when_ratings_are_too_few() -> None:
    """19 ratings are refused."""
    history = make_history([Rated(user, movie, 3) for user in range(1) for movie in range(19)])
    with pytest.raises(DataError, match="there are 19 training ratings: expected 20 or more"):
        prepare_rows(history, TINY_CONFIG)
