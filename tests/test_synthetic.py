"""The built-in data set: its shape, its files, and what is known about its noise."""

import math
from pathlib import Path

import numpy as np
import pytest

from model import generation
from model.dates import format_day, parse_day
from model.errors import ConfigError, DataError
from model.generation import NOISE_SPREAD, compute_star_moments
from model.made_up_titles import build_titles
from model.ratings import read_ratings
from model.splits import apply_split, parse_split
from model.synthetic import (
    RATINGS_FILE,
    TITLES_FILE,
    TRUTH_FILE,
    SyntheticConfig,
    SyntheticTruth,
    best_predictions,
    build_synthetic,
    lowest_rmse,
    main,
    read_truth,
    write_synthetic,
)
from model.table import NO_YEAR, WHOLE_STARS, Ratings

SMALL = SyntheticConfig(n_users=40, n_movies=30, n_ratings=300, seed=1)


@pytest.fixture(scope="module")
def built() -> tuple[Ratings, SyntheticTruth]:
    """The data set that everybody gets."""
    return build_synthetic(SyntheticConfig())


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_build_synthetic_has_the_size_asked_for_when_built(built: tuple[Ratings, SyntheticTruth]) -> None:
    """As many users, movies and ratings as configured, and no pair twice."""
    ratings, config = built[0], SyntheticConfig()
    assert len(ratings) == config.n_ratings
    assert len(np.unique(ratings.user_ids)) == config.n_users
    assert len(np.unique(ratings.movie_ids)) == len(ratings.movies) == config.n_movies
    assert (
        len(set(zip(ratings.user_ids.tolist(), ratings.movie_ids.tolist(), strict=True))) == config.n_ratings
    )
    assert ratings.scale == WHOLE_STARS


def test_build_synthetic_has_the_prizes_mean_and_spread_when_default(
    built: tuple[Ratings, SyntheticTruth],
) -> None:
    """The Prize's ratings have mean 3.60 and standard deviation 1.09."""
    stars = built[0].stars.astype(np.float64)
    assert stars.mean() == pytest.approx(3.60, abs=0.02)
    assert stars.std() == pytest.approx(1.09, abs=0.02)
    assert np.unique(stars).tolist() == [1, 2, 3, 4, 5]


def test_build_synthetic_grows_and_becomes_kinder_when_years_pass(
    built: tuple[Ratings, SyntheticTruth],
) -> None:
    """Every year has more ratings than the one before, within 1998 to 2005, and the mean drifts upwards."""
    ratings = built[0]
    years = np.array([int(format_day(day)[:4]) for day in ratings.days])
    counts = np.bincount(years - 1998, minlength=8)
    assert ratings.days[0] >= parse_day("1998-10-01")
    assert ratings.days[-1] <= parse_day("2005-12-31")
    assert np.all(np.diff(counts) > 0)
    means = [ratings.stars[years == year].mean() for year in (2002, 2003, 2004, 2005)]
    assert np.all(np.diff(means) > 0)


def test_build_synthetic_has_few_users_with_very_many_ratings_when_default(
    built: tuple[Ratings, SyntheticTruth],
) -> None:
    """A tenth of the users give over a quarter of the ratings, the quieter half under a seventh.

    Likewise the tenth of the movies that is rated most has over a sixth.
    """
    by_user = np.sort(np.unique(built[0].user_ids, return_counts=True)[1])[::-1] / len(built[0])
    by_movie = np.sort(np.unique(built[0].movie_ids, return_counts=True)[1])[::-1] / len(built[0])
    assert by_user[:80].sum() > 0.25
    assert by_user[400:].sum() < 1 / 7
    assert by_movie[:40].sum() > 1 / 6


def test_build_synthetic_has_mostly_recent_movies_when_default(built: tuple[Ratings, SyntheticTruth]) -> None:
    """Release years run from 1915 to 2005, most are 1990 or later, all eras occur, and a few are unknown."""
    years = built[0].movies.release_years
    known = years[years != NO_YEAR]
    assert 1 <= len(years) - len(known) <= 0.02 * len(years)
    assert 1915 <= known.min() < 1970
    assert known.max() == 2005
    assert np.mean(known >= 1990) > 0.5
    assert np.mean((known >= 1970) & (known < 1990)) > 0.2


def test_build_synthetic_rates_no_movie_before_its_year_when_default(
    built: tuple[Ratings, SyntheticTruth],
) -> None:
    """A rating is dated in the movie's year of release or later."""
    ratings = built[0]
    released = ratings.movies.release_years[np.searchsorted(ratings.movies.movie_ids, ratings.movie_ids)]
    rated = np.array([int(format_day(day)[:4]) for day in ratings.days])
    assert np.all(rated >= released)


def test_build_synthetic_differs_when_the_seed_does() -> None:
    """Another seed is another data set."""
    other = SyntheticConfig(n_users=40, n_movies=30, n_ratings=300, seed=2)
    assert not np.array_equal(build_synthetic(SMALL)[0].stars, build_synthetic(other)[0].stars)


def test_build_synthetic_rates_everything_possible_when_as_many_are_wanted() -> None:
    """The most ratings possible are accepted, one more is refused with that number."""
    with pytest.raises(
        ConfigError, match=r"n_ratings is 1201: expected (\d+) or fewer for 40 users and 30 movies"
    ) as e:
        build_synthetic(SyntheticConfig(n_users=40, n_movies=30, n_ratings=1201, seed=1))
    most = int(str(e.value).split("expected ")[1].split()[0])
    assert len(build_synthetic(SyntheticConfig(n_users=40, n_movies=30, n_ratings=most, seed=1))[0]) == most


@pytest.mark.parametrize("seed", range(10))
def test_build_synthetic_gives_everybody_a_rating_when_tiny(seed: int) -> None:
    """With hardly more ratings than users and movies, each of them still has one."""
    ratings, _ = build_synthetic(SyntheticConfig(n_users=5, n_movies=4, n_ratings=9, seed=seed))
    assert (len(np.unique(ratings.user_ids)), len(np.unique(ratings.movie_ids))) == (5, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_users": 0}, "n_users is 0: expected 1 or more"),
        ({"n_movies": -1}, "n_movies is -1: expected 1 or more"),
        ({"n_ratings": 0}, "n_ratings is 0: expected 1 or more"),
        ({"seed": -1}, "seed is -1: expected 0 or more"),
        ({"n_users": 2_649_430}, "n_users is 2649430: expected 2649429 or fewer"),
        (
            {"n_users": 480_189, "n_movies": 17_770},
            "480189 users x 17770 movies: expected 50000000 pairs or fewer",
        ),
        ({"n_ratings": 1_199}, "n_ratings is 1199: expected 1200 or more"),
    ],
)
def test_config_is_refused_when_a_number_makes_no_sense(settings: dict[str, int], message: str) -> None:
    """The error names the setting, its value and what is accepted."""
    with pytest.raises(ConfigError, match=message):
        SyntheticConfig(**settings)


def test_write_synthetic_writes_what_the_reader_reads_when_default(
    tmp_path: Path, built: tuple[Ratings, SyntheticTruth]
) -> None:
    """The real reader gets the very ratings, in the same order, with all titles and years."""
    folder = tmp_path / "new" / "data"
    write_synthetic(folder, SyntheticConfig())
    read, expected = read_ratings(folder), built[0]
    for column in ("user_ids", "movie_ids", "stars", "days"):
        np.testing.assert_array_equal(getattr(read, column), getattr(expected, column))
    np.testing.assert_array_equal(read.movies.movie_ids, expected.movies.movie_ids)
    np.testing.assert_array_equal(read.movies.release_years, expected.movies.release_years)
    assert list(read.movies.titles) == list(expected.movies.titles)
    assert (read.scale, read.n_duplicates) == (WHOLE_STARS, 0)
    assert list((tmp_path / "new").iterdir()) == [folder]


def test_write_synthetic_uses_the_prizes_layout_when_written(tmp_path: Path) -> None:
    """Ratings stand below their movie's header; titles are latin-1, with commas, and NULL for no year."""
    write_synthetic(tmp_path / "data", SyntheticConfig())
    lines = (tmp_path / "data" / RATINGS_FILE).read_text(encoding="ascii").splitlines()
    assert [line for line in lines if line.endswith(":")] == [f"{movie}:" for movie in range(1, 401)]
    assert len(lines) == 100_400
    titles = (tmp_path / "data" / TITLES_FILE).read_bytes()
    fields = [line.split(b",", 2) for line in titles.splitlines()]
    assert [int(movie) for movie, _, _ in fields] == list(range(1, 401))
    assert sum(year == b"NULL" for _, year, _ in fields) == 4
    assert sum(b"," in title for _, _, title in fields) == 33
    assert b"Caf\xe9" in titles


def test_write_synthetic_writes_the_same_bytes_when_called_again(tmp_path: Path) -> None:
    """A seed decides every byte, and an older folder of ours is replaced."""
    write_synthetic(tmp_path / "one", SMALL)
    write_synthetic(tmp_path / "two", SyntheticConfig())
    write_synthetic(tmp_path / "two", SMALL)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_write_synthetic_fills_the_folder_when_it_is_empty(tmp_path: Path) -> None:
    """An empty folder holds nothing that could be lost."""
    write_synthetic(tmp_path, SMALL)
    assert set(_files(tmp_path)) == {RATINGS_FILE, TITLES_FILE, TRUTH_FILE}


@pytest.mark.parametrize(
    ("name", "with_ours", "message"),
    [
        ("notes.txt", True, "is not replaced: notes.txt in it is not of the built-in data"),
        (RATINGS_FILE, False, f"is not replaced: {RATINGS_FILE} in it is not of the built-in data"),
    ],
)
def test_write_synthetic_leaves_a_folder_alone_when_anything_else_is_in_it(
    tmp_path: Path, *, name: str, with_ours: bool, message: str
) -> None:
    """Somebody else's file, even under the Prize's own name, is never removed."""
    folder = tmp_path / "data"
    folder.mkdir()
    if with_ours:
        write_synthetic(folder, SMALL)
    (folder / name).write_text("1:\n")
    before = _files(folder)
    with pytest.raises(DataError, match=message):
        write_synthetic(folder, SMALL)
    assert _files(folder) == before


def test_write_synthetic_is_refused_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    """The target must be a folder."""
    (tmp_path / "data").write_text("x")
    with pytest.raises(DataError, match="data is a file: expected a folder"):
        write_synthetic(tmp_path / "data", SMALL)


def test_write_synthetic_leaves_the_old_folder_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk halfway through changes nothing and leaves nothing behind."""
    write_synthetic(tmp_path / "data", SMALL)
    before = _files(tmp_path / "data")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        write_synthetic(tmp_path / "data", SyntheticConfig())
    assert _files(tmp_path / "data") == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_read_truth_returns_what_was_written_when_there(tmp_path: Path) -> None:
    """The truth survives its file, without pickle."""
    written = write_synthetic(tmp_path, SMALL)
    read = read_truth(tmp_path)
    assert read is not None
    for name in ("user_ids", "movie_ids", "expected_ratings", "variances"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype


def test_read_truth_returns_none_when_there_is_none(tmp_path: Path) -> None:
    """Other folders, files and missing paths have no truth."""
    (tmp_path / "ratings.csv").write_text("x")
    assert [read_truth(tmp_path / name) for name in ("", "ratings.csv", "missing")] == [None] * 3


@pytest.mark.parametrize("content", [b"", b"user_id,movie_id\n", b"\x93NUMPY\x01\x00"])
def test_read_truth_names_the_file_when_it_is_damaged(tmp_path: Path, content: bytes) -> None:
    """A truncated or foreign file is one clear error."""
    (tmp_path / TRUTH_FILE).write_bytes(content)
    with pytest.raises(DataError, match=f"{TRUTH_FILE} is damaged: .*; write the built-in data again"):
        read_truth(tmp_path)


def test_read_truth_names_the_columns_when_the_array_has_others(tmp_path: Path) -> None:
    """An array of another kind is no truth."""
    np.save(tmp_path / TRUTH_FILE, np.zeros(3))
    with pytest.raises(DataError, match="does not hold user_id, movie_id, expected_rating, variance"):
        read_truth(tmp_path)


def test_star_moments_are_those_of_many_draws_when_simulated(rng: np.random.Generator) -> None:
    """Closed form and simulation agree for signals within and beyond the scale."""
    signal = np.array([-1.0, 1.2, 3.0, 3.5, 4.7, 7.0])
    draws = np.clip(np.rint(signal + NOISE_SPREAD * rng.standard_normal((200_000, len(signal)))), 1, 5)
    mean, variance = compute_star_moments(signal)
    np.testing.assert_allclose(mean, draws.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(variance, draws.var(axis=0), atol=0.01)


def test_star_moments_are_symmetric_when_the_signal_is_in_the_middle() -> None:
    """At 3 stars the mean is 3, and the variance 2 P(4) + 8 P(5) by hand from the normal distribution."""
    up_4, up_5 = (0.5 * math.erfc(bound / NOISE_SPREAD / math.sqrt(2)) for bound in (0.5, 1.5))
    mean, variance = compute_star_moments(np.array([3.0]))
    assert mean[0] == pytest.approx(3.0)
    assert variance[0] == pytest.approx(2 * (up_4 - up_5) + 8 * up_5, rel=1e-6)


def test_lowest_rmse_is_what_the_best_predictions_reach_when_noise_is_drawn_again(
    built: tuple[Ratings, SyntheticTruth], monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Drawing the noise anew many times, the best predictions come to the lowest RMSE."""
    signals: list[np.ndarray] = []

    def record(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        signals.append(signal)
        return compute_star_moments(signal)

    monkeypatch.setattr(generation, "compute_star_moments", record)
    again, truth = build_synthetic(SyntheticConfig())
    np.testing.assert_array_equal(again.stars, built[0].stars)
    squares = [
        np.mean((np.clip(np.rint(signals[0] + NOISE_SPREAD * noise), 1, 5) - truth.expected_ratings) ** 2)
        for noise in (rng.standard_normal(len(again)) for _ in range(20))
    ]
    assert math.sqrt(np.mean(squares)) == pytest.approx(lowest_rmse(truth, again), rel=0.002)


def test_lowest_rmse_is_reached_and_far_below_simple_means_when_split_by_latest(
    built: tuple[Ratings, SyntheticTruth],
) -> None:
    """On the test rows a constant ends a quarter above the lowest RMSE, and the best predictions at it."""
    ratings, truth = built
    split = apply_split(ratings, parse_split("latest"), seed=0)
    lowest = lowest_rmse(truth, split.test)
    best = math.sqrt(np.mean((best_predictions(truth, split.test) - split.test.stars) ** 2))
    constant = math.sqrt(np.mean((split.train.stars.mean() - split.test.stars) ** 2))
    assert 0.80 < lowest < 0.86
    assert best == pytest.approx(lowest, rel=0.005)
    assert constant > 1.2 * lowest


def test_lowest_rmse_is_the_root_of_the_mean_variance_when_rows_are_few() -> None:
    """Variances 0.5 and 1.5 of the two rows asked for make exactly 1; the third row does not count."""
    ratings, _ = build_synthetic(SMALL)
    truth = SyntheticTruth(
        ratings.user_ids[:3],
        ratings.movie_ids[:3],
        np.array([3.0, 4.0, 2.0], dtype=np.float32),
        np.array([0.5, 9.0, 1.5], dtype=np.float32),
    )
    rows = ratings.take(np.array([0, 2]))
    assert lowest_rmse(truth, rows) == pytest.approx(1.0)
    assert best_predictions(truth, rows).tolist() == [3.0, 2.0]


def test_lowest_rmse_is_refused_when_there_are_no_rows() -> None:
    """The mean of nothing is not defined."""
    ratings, truth = build_synthetic(SMALL)
    with pytest.raises(DataError, match="no ratings at all"):
        lowest_rmse(truth, ratings.take(np.array([], dtype=np.int64)))


def test_lowest_rmse_names_the_rating_when_it_is_not_of_the_data_set() -> None:
    """A truth beside other ratings is noticed."""
    ratings, truth = build_synthetic(SMALL)
    part = SyntheticTruth(
        truth.user_ids[1:], truth.movie_ids[1:], truth.expected_ratings[1:], truth.variances[1:]
    )
    stray = (
        f"user {ratings.user_ids[0]}'s rating of movie {ratings.movie_ids[0]} is none of the built-in data's"
    )
    with pytest.raises(DataError, match=stray):
        lowest_rmse(part, ratings)


def test_titles_are_each_given_once_when_there_are_more_than_names() -> None:
    """Where the names run out the titles go on as later parts, never the same one twice."""
    titles = build_titles(5_000, np.random.default_rng(0))
    assert len(set(titles)) == 5_000
    assert titles[11] == f"{titles[10]}, Part 2"
    assert all(title.encode("latin-1") for title in titles)


def test_command_writes_what_the_function_does_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The size in figures, and the same bytes as commands that are given no ratings write."""
    assert main(["--output", str(tmp_path / "data")]) == 0
    assert "100,000 ratings of 800 users and 400 movies" in capsys.readouterr().out
    write_synthetic(tmp_path / "same", SyntheticConfig())
    assert _files(tmp_path / "data") == _files(tmp_path / "same")


def test_command_ends_in_one_line_when_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of somebody else's, or a seed that is none."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    assert main(["--output", str(tmp_path / "photos")]) == 2
    assert "me.jpg in it is not of the built-in data" in capsys.readouterr().err
    assert main(["--output", str(tmp_path / "new"), "--seed", "-1"]) == 2
    assert "seed is -1: expected 0 or more" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
