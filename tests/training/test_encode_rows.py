"""What encoders are sampled from, what they say of the held-out rows, and what is kept of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import TINY_CONFIG, change_training

from model.history import History, build_history
from model.table import Movies, Ratings
from model.training import fit
from model.training.encoding import encode_strangers
from model.training.fit import encode_rows
from model.training.gibbs import Observations, Posterior, sample_posterior
from model.training.kept import read_kept
from model.training.network import UserEncoder
from model.training.prepare import PreparedRows, prepare_rows


def test_encoders_are_blind_to_their_fold_when_sampled(
    history: History, prepared: PreparedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One posterior for each held-out fold, sampled without its ratings, and one of all for serving."""
    sampled: list[int] = []

    def watch(data: Observations, **settings: object) -> Posterior:
        sampled.append(len(data.stars))
        assert len(data.movie_stars) == len(data.stars)
        assert sorted(data.movie_stars) == sorted(data.stars)
        return sample_posterior(data, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "sample_posterior", watch)
    encode_rows(history, prepared, TINY_CONFIG, tmp_path)
    sizes = np.bincount(prepared.folds)
    assert sampled == [1_200 - sizes[0], 1_200 - sizes[1], 1_200]


def read_posterior(folder: Path, name: str) -> Posterior:
    """A posterior as it was sampled."""
    kept = read_kept(folder / f"posterior-{name}.npz", pytest.fail)
    assert kept is not None
    return Posterior(**{field.name: kept[field.name] for field in dataclasses.fields(Posterior)})


def test_strangers_are_asked_of_encoders_blind_to_their_fold(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """What a row's movie gets from a user without ratings is said by the posterior without the row's fold."""
    encoded, rows = encode_rows(history, prepared, TINY_CONFIG, tmp_path), prepared.rows
    row_folds = rows.group_folds[rows.queries.groups]
    for fold in prepared.chosen:
        asked = np.flatnonzero(row_folds == fold)
        encoder = UserEncoder.from_posterior(read_posterior(tmp_path, f"fold-{fold}"))
        expected = encode_strangers(encoder, rows.queries.movies[asked])
        assert encoded.strangers[asked].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_movie_too_new_to_be_rated_is_placed_in_the_served_encoder(
    tiny_ratings: Ratings, tmp_path: Path
) -> None:
    """It is not where the sampler left it; everything else is."""
    movies = tiny_ratings.movies
    newest = Movies(
        movie_ids=np.append(movies.movie_ids, movies.movie_ids.max() + 1),
        titles=[*movies.titles, "Next Year's"],
        release_years=np.append(movies.release_years, np.int16(2_100)),
    )
    history = build_history(dataclasses.replace(tiny_ratings, movies=newest))
    encoded = encode_rows(history, prepare_rows(history, TINY_CONFIG), TINY_CONFIG, tmp_path)
    assert not encoded.is_plain
    drawn = UserEncoder.from_posterior(read_posterior(tmp_path, "all"))
    moved = (encoded.encoder.table != drawn.table).any(dim=(1, 2))
    assert torch.nonzero(moved).flatten().tolist() == [history.n_movies]  # the last row: row 0 is the unknown


def test_posterior_is_sampled_anew_when_its_file_is_damaged(
    history: History, prepared: PreparedRows, tmp_path: Path
) -> None:
    """The file is named, the result is the same, and the file is whole again."""
    encode_rows(history, prepared, TINY_CONFIG, tmp_path)
    path = tmp_path / "posterior-all.npz"
    whole = read_kept(path, pytest.fail)
    path.write_bytes(path.read_bytes()[:-100])
    told: list[str] = []
    encode_rows(history, prepared, TINY_CONFIG, tmp_path, say=told.append)
    again = read_kept(path, pytest.fail)
    assert [line.partition(" is damaged")[0] for line in told] == [str(path)]
    assert whole is not None
    assert again is not None
    assert all(np.array_equal(again[name], array) for name, array in whole.items())


def list_by_user(data: Observations) -> list[tuple[int, int, float]]:
    """User, movie and stars of each rating, in the order of the users' rows."""
    users = np.repeat(np.arange(len(data.user_offsets) - 1), np.diff(data.user_offsets))
    return list(zip(users.tolist(), data.user_movies.tolist(), data.stars.tolist(), strict=True))


@pytest.mark.parametrize("held_out", [None, 0])
@pytest.mark.parametrize(("most", "n_drawn"), [(600, None), (1, 1)])
def test_the_sampler_gets_whole_users_up_to_its_most_when_ratings_are_more(
    history: History,
    prepared: PreparedRows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    held_out: int | None,
    most: int,
    n_drawn: int | None,
) -> None:
    """Every rating of the users drawn, but those held out, by user and by movie alike; one user at least."""
    seen: list[Observations] = []

    def watch(data: Observations, **_: object) -> Posterior:
        seen.append(data)
        raise InterruptedError

    monkeypatch.setattr(fit, "sample_posterior", watch)
    chosen = range(1) if held_out == 0 else range(0)
    with pytest.raises(InterruptedError):
        encode_rows(
            history,
            dataclasses.replace(prepared, chosen=chosen),
            change_training(sampler_ratings=most),
            tmp_path,
        )
    [data] = seen
    by_user = list_by_user(data)
    movies = np.repeat(np.arange(history.n_movies), np.diff(data.movie_offsets)).tolist()
    by_movie = zip(data.movie_users.tolist(), movies, data.movie_stars.tolist(), strict=True)
    assert sorted(by_user) == sorted(by_movie)

    # who they are: the users of the history whose ratings, without those held out, these are
    everybody: dict[tuple[tuple[int, float], ...], int] = {}
    for user in range(history.n_users):
        rows = history.user_rows(user)
        kept = [row for row in range(rows.start, rows.stop) if prepared.folds[row] != held_out]
        ratings = tuple((int(history.user_movies[row]), history.user_codes[row] / 2) for row in kept)
        everybody[ratings] = rows.stop - rows.start
    drawn: dict[int, list[tuple[int, float]]] = {}
    for user, movie, given in by_user:
        drawn.setdefault(user, []).append((movie, given))
    n_ratings = [everybody[tuple(ratings)] for ratings in drawn.values()]
    if n_drawn is None:
        assert 0 < len(n_ratings) < history.n_users
        assert sum(n_ratings) <= most
        assert (
            most - sum(n_ratings) < np.diff(history.user_offsets).max()
        )  # one more user would not have fitted
    else:
        assert len(n_ratings) == n_drawn
