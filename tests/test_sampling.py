"""Smaller data sets from a large one, and the command around them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from model.dates import format_day, parse_day
from model.errors import ConfigError, DataError
from model.ratings import read_ratings, write_sample_csv
from model.sampling import main, sample_movies, sample_period
from model.table import WHOLE_STARS, Movies, Ratings

Row = tuple[int, int, float, str]  # user, movie, stars, date

ROWS: list[Row] = [
    (1, 10, 4, "2005-01-01"),
    (1, 20, 3, "2005-01-02"),
    (2, 10, 5, "2005-01-03"),
    (2, 30, 1, "2005-01-03"),
    (3, 20, 2, "2005-01-04"),
    (3, 10, 2, "2005-01-05"),
]


def _make_ratings(rows: Sequence[Row]) -> Ratings:
    """A table with movies 10 to 40; the last is never rated, and rows of one day keep their order."""
    ordered = sorted(rows, key=itemgetter(3))
    return Ratings(
        user_ids=np.array([row[0] for row in ordered], dtype=np.int64),
        movie_ids=np.array([row[1] for row in ordered], dtype=np.int64),
        stars=np.array([row[2] for row in ordered], dtype=np.float32),
        days=np.array([parse_day(row[3]) for row in ordered], dtype=np.int16),
        movies=Movies(
            movie_ids=np.array([10, 20, 30, 40]),
            titles=["Ten", "Twenty, Again", "Thirty", "Forty"],
            release_years=np.array([1910, 1920, 0, 1940], dtype=np.int16),
        ),
        scale=WHOLE_STARS,
    )


def _rows(ratings: Ratings) -> list[Row]:
    columns = (ratings.user_ids, ratings.movie_ids, ratings.stars)
    dates = [format_day(day) for day in ratings.days]
    return list(zip(*(column.tolist() for column in columns), dates, strict=True))


_TABLES = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from([10, 20, 30]),
        st.sampled_from([1.0, 5.0]),
        st.sampled_from(["2005-01-01", "2005-01-02", "2005-01-03"]),
    ),
    min_size=1,
    unique_by=itemgetter(0, 1),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`ROWS` as a file."""
    path = tmp_path / "ratings.csv"
    write_sample_csv(_make_ratings(ROWS), path)
    return path


def test_sample_period_keeps_both_ends_when_ratings_fall_on_them() -> None:
    """The first and the last day belong to the period, the days around it do not."""
    sample = sample_period(
        _make_ratings(ROWS),
        first_day=parse_day("2005-01-02"),
        last_day=parse_day("2005-01-04"),
        min_ratings_per_movie=0,
    )
    assert _rows(sample) == ROWS[1:5]
    assert sample.scale == WHOLE_STARS


def test_sample_period_counts_within_the_period_when_movies_need_two() -> None:
    """Movie 10 has three ratings but one in the period; movie 20 has two there and stays, alone."""
    sample = sample_period(
        _make_ratings(ROWS),
        first_day=parse_day("2005-01-02"),
        last_day=parse_day("2005-01-04"),
        min_ratings_per_movie=2,
    )
    assert _rows(sample) == [ROWS[1], ROWS[4]]
    assert sample.movies.movie_ids.tolist() == [20]
    assert list(sample.movies.titles) == ["Twenty, Again"]
    assert sample.movies.release_years.tolist() == [1920]


@given(rows=_TABLES, minimum=st.integers(0, 4))
@settings(deadline=None)
def test_sample_period_keeps_what_a_plain_count_keeps_when_any_table_is_given(
    rows: list[Row], minimum: int
) -> None:
    """Nothing but the definition decides, and what is kept keeps its order."""
    first, last = "2005-01-01", "2005-01-02"
    inside = [row for row in sorted(rows, key=itemgetter(3)) if first <= row[3] <= last]
    counts = Counter(row[1] for row in inside)
    expected = [row for row in inside if counts[row[1]] >= minimum]
    days = {"first_day": parse_day(first), "last_day": parse_day(last)}
    if expected:
        sample = sample_period(_make_ratings(rows), **days, min_ratings_per_movie=minimum)
        assert _rows(sample) == expected
        assert sample.movies.movie_ids.tolist() == sorted({row[1] for row in expected})
    else:
        with pytest.raises(
            DataError, match=f"no movie has {max(1, minimum)} or more ratings from {first} to {last}"
        ):
            sample_period(_make_ratings(rows), **days, min_ratings_per_movie=minimum)


@pytest.mark.parametrize(
    ("first", "last", "minimum", "message"),
    [
        ("2005-01-02", "2005-01-01", 1, "ends before it begins: 2005-01-02 is later than 2005-01-01"),
        ("2005-01-01", "2005-01-02", -1, "the minimum of ratings per movie is -1: expected 0 or more"),
    ],
)
def test_sample_period_is_refused_when_a_setting_makes_no_sense(
    first: str, last: str, minimum: int, message: str
) -> None:
    """The error names the value."""
    with pytest.raises(ConfigError, match=message):
        sample_period(
            _make_ratings(ROWS),
            first_day=parse_day(first),
            last_day=parse_day(last),
            min_ratings_per_movie=minimum,
        )


@pytest.mark.parametrize(
    ("rows", "message"),
    [(ROWS, "the 6 ratings given run from 2005-01-01 to 2005-01-05"), ([], "there are no ratings at all")],
)
def test_sample_period_says_what_there_is_when_nothing_is_left(rows: list[Row], message: str) -> None:
    """The error gives the days that the data has."""
    day = parse_day("2006-01-01")
    with pytest.raises(
        DataError, match=f"no movie has 1 or more ratings from 2006-01-01 to 2006-01-01: {message}"
    ):
        sample_period(_make_ratings(rows), first_day=day, last_day=day, min_ratings_per_movie=0)


def test_sample_movies_keeps_users_with_two_when_all_movies_are_drawn() -> None:
    """With every rated movie drawn, only users of fewer than two ratings go."""
    rows: list[Row] = [*ROWS, (4, 30, 5, "2005-01-06")]
    sample = sample_movies(_make_ratings(rows), n_movies=3, min_ratings_per_user=2, seed=0)
    assert _rows(sample) == ROWS
    assert sample.movies.movie_ids.tolist() == [10, 20, 30]


def test_sample_movies_counts_drawn_movies_only_when_users_rated_others() -> None:
    """Of two movies drawn, a user stays who rated both, whatever else was rated."""
    kept: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    for seed in range(20):
        try:
            sample = sample_movies(_make_ratings(ROWS), n_movies=2, min_ratings_per_user=2, seed=seed)
        except DataError:
            kept.add(((), ()))  # movies 20 and 30 have no user in common
            continue
        kept.add((tuple(sample.movies.movie_ids.tolist()), tuple(sample.user_ids.tolist())))
    assert kept == {((10, 20), (1, 1, 3, 3)), ((10, 30), (2, 2)), ((), ())}


@given(rows=_TABLES, seed=st.integers(0, 9), minimum=st.integers(0, 3))
@settings(deadline=None)
def test_sample_movies_keeps_every_rating_it_should_when_any_table_is_given(
    rows: list[Row], seed: int, minimum: int
) -> None:
    """Whoever rated enough of the drawn movies stays with all ratings of them, and nothing else is kept."""
    n_movies = len({row[1] for row in rows})
    counts = Counter(row[0] for row in rows)
    expected = [row for row in sorted(rows, key=itemgetter(3)) if counts[row[0]] >= minimum]
    if expected:
        sample = sample_movies(
            _make_ratings(rows), n_movies=n_movies, min_ratings_per_user=minimum, seed=seed
        )
        assert _rows(sample) == expected
        assert sample.movies.movie_ids.tolist() == sorted({row[1] for row in expected})
    else:
        with pytest.raises(DataError, match=f"no user rated {minimum} of the {n_movies} movies drawn"):
            sample_movies(_make_ratings(rows), n_movies=n_movies, min_ratings_per_user=minimum, seed=seed)


@given(rows=_TABLES, seed=st.integers(0, 9))
@settings(deadline=None)
def test_sample_movies_draws_the_same_when_the_source_is_reordered(rows: list[Row], seed: int) -> None:
    """The seed alone chooses the movies."""

    def draw(ordered: list[Row]) -> list[Row]:
        return sorted(
            _rows(sample_movies(_make_ratings(ordered), n_movies=1, min_ratings_per_user=1, seed=seed))
        )

    assert draw(rows) == draw(rows[::-1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_movies": 4}, "4 movies are wanted, but only 3 have ratings"),
        ({"n_movies": 0}, "the number of movies is 0: expected 1 or more"),
        ({"min_ratings_per_user": -2}, "the minimum of ratings per user is -2: expected 0 or more"),
        ({"seed": -1}, "the seed is -1: expected 0 or more"),
    ],
)
def test_sample_movies_is_refused_when_a_number_makes_no_sense(
    settings: dict[str, int], message: str
) -> None:
    """The error names the value; a movie without ratings cannot be drawn."""
    accepted = {"n_movies": 2, "min_ratings_per_user": 2, "seed": 0}
    with pytest.raises(ConfigError, match=message):
        sample_movies(_make_ratings(ROWS), **(accepted | settings))


def test_command_writes_what_the_reader_reads_when_sampling_a_period(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample is a data set again, and one line says how much was kept."""
    output = tmp_path / "sample.csv"
    flags = f"--data {data} --output {output} --method period --from 2005-01-02 --to 2005-01-04"
    assert main([*flags.split(), "--min-ratings-per-movie", "2"]) == 0
    assert _rows(read_ratings(output)) == [ROWS[1], ROWS[4]]
    assert capsys.readouterr().out == f"{output}: 2 of 6 ratings, 2 of 3 users, 1 of 3 movies\n"


def test_command_takes_two_ratings_a_user_and_seed_0_when_not_told(data: Path, tmp_path: Path) -> None:
    """The defaults of the method by movies are those of the README's command."""
    output = tmp_path / "sample.csv"
    assert main(f"--data {data} --output {output} --method movies --movies 3".split()) == 0
    told = sample_movies(read_ratings(data), n_movies=3, min_ratings_per_user=2, seed=0)
    assert _rows(read_ratings(output)) == _rows(told) == ROWS


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--method period --movies 3", "--movies belongs to --method movies, not to --method period"),
        ("--method period --from 2005-01-01 --to 2005-01-02 --seed 1", "--seed belongs to --method movies"),
        (
            "--method movies --movies 3 --from 2005-01-01",
            "--from belongs to --method period, not to --method movies",
        ),
        ("--method period", "--method period needs --from and --to"),
        ("--method period --from 2005-01-01", "--method period needs --to"),
        ("--method movies", "--method movies needs --movies"),
        ("--method movies --movies 9", "9 movies are wanted, but only 3 have ratings"),
        ("--method period --from 2005-01-02 --to 2005-01-01", "the period ends before it begins"),
        ("--method period --from 2009-01-01 --to 2009-01-02", "no movie has 1 or more ratings"),
    ],
)
def test_command_ends_with_status_2_and_one_line_when_flags_are_wrong(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """What the user got wrong is one line on standard error, and nothing is written."""
    output = tmp_path / "sample.csv"
    assert main(["--data", str(data), "--output", str(output), *flags.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--method period --from 2005-02-30 --to 2005-03-01", "'2005-02-30' is not a date of the calendar"),
        ("--method rows", "'rows' is unknown: expected period, movies"),
        ("--method movies --movies many", "'many' is not a whole number"),
    ],
)
def test_command_exits_with_status_2_when_a_flag_cannot_be_read(
    data: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """The parser's own complaints are one line with status 2 as well."""
    with pytest.raises(SystemExit, match="2"):
        main(["--data", str(data), "--output", "sample.csv", *flags.split()])
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_command_runs_as_a_module_when_started_by_python(data: Path, tmp_path: Path) -> None:
    """`python -m model.sampling` ends with the command's exit status."""
    command = [
        sys.executable,
        "-m",
        "model.sampling",
        "--data",
        str(data),
        "--output",
        str(tmp_path / "sample.csv"),
    ]
    ended = subprocess.run([*command, "--method", "movies"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "python -m model.sampling: error: --method movies needs --movies\n"


@pytest.mark.realdata
def test_command_keeps_whole_histories_of_sampled_movies_when_data_is_real(
    real_data: Path, tmp_path: Path
) -> None:
    """On real ratings every kept user has two of the movies, and every kept movie has ratings."""
    source = real_data / "movielens-small"
    output = tmp_path / "sample.csv"
    flags = (
        f"--data {source} --output {output} --method movies --movies 100 --min-ratings-per-user 2 --seed 4"
    )
    assert main(flags.split()) == 0
    sample = read_ratings(output)
    assert min(Counter(sample.user_ids.tolist()).values()) >= 2
    assert len(np.unique(sample.movie_ids)) <= 100
