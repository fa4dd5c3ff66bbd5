"""The built-in data at any size: shape, reproducibility, and the same model as the small one's."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.errors import ConfigError, DataError
from model.large_synthetic import (
    DESCRIPTION_FILE,
    LEAST_SIZE,
    MOST_SIZE,
    PRIZE_MOVIES,
    PRIZE_RATINGS,
    PRIZE_USERS,
    LargeConfig,
    _settle,
    main,
    write_large_synthetic,
)
from model.ratings import read_ratings
from model.table import NO_YEAR, Ratings

SIZE = LargeConfig(n_ratings=60_000, n_users=900, n_movies=800, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written once for all tests that only read."""
    path = tmp_path_factory.mktemp("large") / "data"
    write_large_synthetic(path, SIZE)
    return path


@pytest.fixture(scope="module")
def ratings(folder: Path) -> Ratings:
    """As the reader reads them."""
    return read_ratings(folder)


def test_large_synthetic_has_exactly_the_numbers_asked_for(ratings: Ratings) -> None:
    """Every user and movie has a rating, and no pair is given twice."""
    assert len(ratings) == 60_000
    assert ratings.n_duplicates == 0
    assert len(np.unique(ratings.user_ids)) == 900
    assert np.unique(ratings.movie_ids).tolist() == list(range(1, 801))


def test_large_synthetic_is_rated_after_release_when_movie_is_new(ratings: Ratings) -> None:
    """No rating is older than New Year of its movie's release year."""
    years = ratings.movies.release_years[ratings.movie_ids - 1]
    new_years = (years.astype("datetime64[Y]") - 1970).astype("datetime64[D]").astype(int)
    known = years != NO_YEAR
    assert np.all(ratings.days[known] >= new_years[known])
    assert ratings.days.min() >= np.datetime64("1998-10-01").astype(int)
    assert ratings.days.max() <= np.datetime64("2005-12-31").astype(int)


def test_large_synthetic_is_skewed_as_the_prize(ratings: Ratings) -> None:
    """The Prize: mean over median 209 / 96 = 2.2 for users and 5,654 / 561 = 10 for movies; stars 3.60, 1.09.

    Nine hundred users cannot be as skewed as half a million, who may rate forty times as many movies.
    """
    users = np.unique(ratings.user_ids, return_counts=True)[1]
    movies = np.unique(ratings.movie_ids, return_counts=True)[1]
    assert 1.3 < users.mean() / np.median(users) < 3
    assert 1.5 < movies.mean() / np.median(movies) < 12
    assert movies.max() <= 0.485 * 900
    assert abs(ratings.stars.mean() - 3.60) < 0.1
    assert abs(ratings.stars.std() - 1.09) < 0.06


def test_large_synthetic_knows_its_noise(folder: Path, ratings: Ratings) -> None:
    """The lowest RMSE is below the spread within pairs of user and movie means, and near the noise's 0.88."""
    description = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    assert {key: description[key] for key in ("n_ratings", "n_users", "n_movies", "seed")} == {
        "n_ratings": 60_000,
        "n_users": 900,
        "n_movies": 800,
        "seed": 3,
    }
    # rounding adds 1/12 to the variance, clipping takes some away
    assert 0.8 < description["lowest_rmse"] < np.sqrt(0.88**2 + 1 / 12)
    assert description["lowest_rmse"] < ratings.stars.std()


def test_large_synthetic_writes_the_same_bytes_when_seed_is_the_same(folder: Path, tmp_path: Path) -> None:
    """And others when it is not."""
    write_large_synthetic(tmp_path / "again", SIZE)
    write_large_synthetic(tmp_path / "other", LargeConfig(60_000, 900, 800, seed=4))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["combined_data_1.txt", "movie_titles.csv", "synthetic.json"]
    for name in names[:2]:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_large_synthetic_comes_in_several_files_when_it_is_big(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files together hold what one would, and the reader takes them together."""
    monkeypatch.setattr("model.large_synthetic.RATINGS_PER_FILE", 20_000)
    write_large_synthetic(tmp_path / "data", SIZE)
    parts = [(tmp_path / "data" / f"combined_data_{number}.txt").read_bytes() for number in (1, 2, 3)]
    assert b"".join(parts) == (folder / "combined_data_1.txt").read_bytes()
    assert min(len(part) for part in parts) > 200_000
    assert len(read_ratings(tmp_path / "data")) == 60_000


def test_large_synthetic_leaves_foreign_folders_alone(tmp_path: Path, folder: Path) -> None:
    """A folder of something else is refused, one of its own is replaced, a failure leaves nothing."""
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").write_text("cat")
    with pytest.raises(DataError, match="is no built-in data"):
        write_large_synthetic(foreign, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    small = LargeConfig(n_ratings=2_000, n_users=60, n_movies=300)
    write_large_synthetic(tmp_path / "own", SIZE)
    write_large_synthetic(tmp_path / "own", small)
    assert len(read_ratings(tmp_path / "own")) == 2_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "photos"]


def test_size_is_the_prizes_when_nothing_else_is_asked() -> None:
    """The default is the Prize; 1 / 10,000 has as few of the users and a tenth of the movies."""
    assert LargeConfig() == LargeConfig(PRIZE_RATINGS, PRIZE_USERS, PRIZE_MOVIES)
    assert LargeConfig.of_size(PRIZE_RATINGS) == LargeConfig()
    assert LargeConfig.of_size(10_048) == LargeConfig(10_048, 48, 1_777)


@pytest.mark.parametrize("seed", range(1, 5))
def test_size_can_be_written_when_it_is_the_least(seed: int, tmp_path: Path) -> None:
    """Whatever the seed."""
    write_large_synthetic(tmp_path / "data", LargeConfig.of_size(LEAST_SIZE, seed=seed))
    assert len(read_ratings(tmp_path / "data")) == LEAST_SIZE


@pytest.mark.parametrize("n_ratings", [-5, LEAST_SIZE - 1, MOST_SIZE + 1])
def test_size_is_refused_when_it_cannot_have_the_prizes_shape(n_ratings: int) -> None:
    """The message says what can; both ends of that are sizes."""
    with pytest.raises(ConfigError, match=f"{n_ratings} ratings: expected {LEAST_SIZE:,} to {MOST_SIZE:,}"):
        LargeConfig.of_size(n_ratings)
    assert [LargeConfig.of_size(n).n_ratings for n in (LEAST_SIZE, MOST_SIZE)] == [LEAST_SIZE, MOST_SIZE]


@pytest.mark.parametrize(
    ("wanted", "least", "most", "total", "expected"),
    [
        ([1.0, 2.0, 3.0], [0, 0, 0], [9, 9, 9], 6, [1, 2, 3]),
        ([1.0, 2.0, 3.0], [3, 0, 0], [9, 9, 2], 7, [3, 2, 2]),
        ([1.0, 1.0, 1.0], [0, 0, 0], [9, 9, 9], 4, [2, 1, 1]),
    ],
)
def test_settle_keeps_bounds_and_sum(
    wanted: list[float], least: list[int], most: list[int], total: int, expected: list[int]
) -> None:
    """In proportion where the bounds allow it; what rounding leaves goes to the first with room."""
    settled = _settle(np.array(wanted), np.array(least), np.array(most), total)
    assert settled.tolist() == expected


@pytest.mark.parametrize("settings", [(10, 0, 5), (10, 20, 5), (1_000, 20, 5), (10**9, 10**7, 100)])
def test_config_is_refused_when_sizes_do_not_fit(settings: tuple[int, int, int]) -> None:
    """Nobody, too few ratings, more than there can be, more users than ids."""
    with pytest.raises(ConfigError, match="expected"):
        LargeConfig(*settings)


def test_command_writes_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The size in figures; a size that cannot be is one line and status 2."""
    assert main(["--output", str(tmp_path / "data"), "--ratings", "20000"]) == 0
    assert "20,000 ratings of 96 users and 2,111 movies" in capsys.readouterr().out
    assert main(["--output", str(tmp_path / "none"), "--ratings", "5"]) == 2
    assert "5 ratings: expected 2,000 to 553,730,661" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
