"""Reading the real data sets: their published counts."""

import time
from pathlib import Path

import numpy as np
import pytest

from model.errors import DataError
from model.formats.pairs import read_pairs
from model.ratings import read_ratings, write_sample_csv
from model.table import HALF_STARS, WHOLE_STARS, RatingScale

pytestmark = pytest.mark.realdata


@pytest.mark.parametrize(
    ("path", "n_ratings", "n_users", "n_rated", "n_movies", "scale"),
    [
        ("netflix/data_sample.csv", 1_743, 500, 18, 18, WHOLE_STARS),
        ("netflix/random_10k.csv", 10_000, None, None, 17_770, WHOLE_STARS),
        ("movielens-small", 100_836, 610, 9_724, 9_742, HALF_STARS),
        ("movielens-small/ratings.csv", 100_836, 610, 9_724, 9_742, HALF_STARS),
        ("movielens-1m-part", 487_650, 2_999, None, 3_883, WHOLE_STARS),
    ],
)
def test_read_ratings_counts_as_published_when_given_a_real_set(
    real_data: Path,
    path: str,
    n_ratings: int,
    n_users: int | None,
    n_rated: int | None,
    n_movies: int,
    scale: RatingScale,
) -> None:
    """Ratings, users, rated movies, catalogue and scale are those of the data set's description."""
    ratings = read_ratings(real_data / path)
    assert (len(ratings), ratings.n_duplicates) == (n_ratings, 0)
    assert n_users in {None, len(np.unique(ratings.user_ids))}
    assert n_rated in {None, len(np.unique(ratings.movie_ids))}
    assert len(ratings.movies) == n_movies
    assert ratings.scale == scale
    assert np.all(np.isin(ratings.movie_ids, ratings.movies.movie_ids))


def test_read_ratings_finds_the_titles_when_they_stand_beside_the_prize_ratings(real_data: Path) -> None:
    """Seven titles of the Prize have no year; titles keep their commas and accents, none is empty."""
    movies = read_ratings(real_data / "netflix" / "random_10k.csv").movies
    assert np.count_nonzero(movies.release_years == 0) == 7
    assert movies.movie_ids.tolist() == list(range(1, 17_771))
    assert movies.release_years[movies.release_years > 0].min() == 1896
    assert all(title and title == title.strip() for title in movies.titles)
    assert any("," in title for title in movies.titles)
    assert any("é" in title for title in movies.titles)


@pytest.mark.parametrize("name", ["movielens-small", "movielens-1m-part"])
def test_read_ratings_takes_the_year_off_titles_when_movielens_has_it_there(
    real_data: Path, name: str
) -> None:
    """No title ends with a year of four digits in parentheses any more; nearly all movies have a year."""
    movies = read_ratings(real_data / name).movies
    assert np.mean(movies.release_years > 0) > 0.998
    assert not any(
        title.endswith(f"({year})") for title, year in zip(movies.titles, movies.release_years, strict=True)
    )


def test_read_ratings_names_the_candidates_when_a_folder_holds_two_sets(real_data: Path) -> None:
    """The Netflix folder holds two different rating files."""
    with pytest.raises(
        DataError, match=r"2 different rating files \(data_sample.csv, random_10k.csv\); give one"
    ):
        read_ratings(real_data / "netflix")


@pytest.mark.parametrize("name", ["movielens-small", "movielens-1m-part"])
def test_written_table_reads_back_equal_when_the_set_is_real(
    real_data: Path, tmp_path: Path, name: str
) -> None:
    """All rows of a real set survive the sample CSV, in order."""
    ratings = read_ratings(real_data / name)
    write_sample_csv(ratings, tmp_path / "sample.csv")
    again = read_ratings(tmp_path / "sample.csv")
    for column in ("user_ids", "movie_ids", "stars", "days"):
        np.testing.assert_array_equal(getattr(again, column), getattr(ratings, column))
    titles = dict(zip(ratings.movies.movie_ids.tolist(), ratings.movies.titles, strict=True))
    assert list(again.movies.titles) == [titles[movie] for movie in again.movies.movie_ids.tolist()]


def test_read_pairs_keeps_the_file_order_when_given_a_rating_file(real_data: Path) -> None:
    """The pairs of a rating file are its lines, in order."""
    pairs = read_pairs(real_data / "movielens-small" / "ratings.csv")
    lines = (real_data / "movielens-small" / "ratings.csv").read_text("utf-8").splitlines()[1:]
    expected = [line.split(",")[:3] for line in lines]
    assert pairs.stars is not None
    assert pairs.user_ids.tolist() == [int(user) for user, _, _ in expected]
    assert pairs.movie_ids.tolist() == [int(movie) for _, movie, _ in expected]
    assert pairs.stars.tolist() == [float(stars) for _, _, stars in expected]


def test_read_ratings_is_fast_when_the_set_is_large(real_data: Path) -> None:
    """487,650 lines are read in well under ten seconds even on a busy machine (0.3 s on an idle one)."""
    start = time.perf_counter()
    read_ratings(real_data / "movielens-1m-part")
    assert time.perf_counter() - start < 10
