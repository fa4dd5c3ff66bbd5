"""Smaller data sets from a large one: the ratings of a period, or of some movies.

The whole Prize takes long to train on; both methods keep what the neighbourhood needs, movies with enough
raters and users with enough movies in common.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.cli import Parser, add_output_flags, parse_day_flag, print_result, run_command
from model.dates import format_day
from model.errors import ConfigError, DataError
from model.grouping import list_ids, number_ids
from model.outputs import check_output_file
from model.progress import track_step
from model.ratings import read_ratings, write_sample_csv
from model.table import Ids, Movies, Ratings

PROG = "python -m model.sampling"
EXAMPLES = {
    "--data download/ --output sample.csv --method period --from 2005-01-01 --to 2005-12-31 "
    "--min-ratings-per-movie 50": "the ratings of 2005, of movies with fifty of them or more",
    "--data download/ --output sample.csv --method movies --movies 100 --min-ratings-per-user 2 --seed 1": (
        "a hundred movies, and the users who rated two of them or more"
    ),
}

FLAGS = {
    "period": {"first_day": "--from", "last_day": "--to", "min_ratings_per_movie": "--min-ratings-per-movie"},
    "movies": {"n_movies": "--movies", "min_ratings_per_user": "--min-ratings-per-user", "seed": "--seed"},
}
"""Which flags each method takes, by the argument that they fill."""

DEFAULTS = {"min_ratings_per_movie": 1, "min_ratings_per_user": 2, "seed": 0}
"""What the flags that may be left out stand for."""


def sample_period(ratings: Ratings, *, first_day: int, last_day: int, min_ratings_per_movie: int) -> Ratings:
    """Keep the ratings of a period, and of those only the movies that were rated often enough in it.

    Args:
        ratings: the ratings to choose from.
        first_day: the period's first day, days since 1970-01-01.
        last_day: its last day, itself included.
        min_ratings_per_movie: how many ratings a movie needs within the period.

    Returns:
        The sample; its catalogue lists only movies that are rated in it.

    Raises:
        ConfigError: if the period ends before it begins, or the minimum is negative.
        DataError: if nothing is left.
    """
    if first_day > last_day:
        raise ConfigError(
            f"the period ends before it begins: {format_day(first_day)} is later than {format_day(last_day)}"
        )
    _check_at_least(0, min_ratings_per_movie, "the minimum of ratings per movie")
    sample = _keep(ratings, (ratings.days >= first_day) & (ratings.days <= last_day))
    sample = _keep(sample, _has_at_least(sample.movie_ids, min_ratings_per_movie))
    if len(sample) == 0:
        raise DataError(
            f"no movie has {max(1, min_ratings_per_movie)} or more ratings from {format_day(first_day)} to "
            f"{format_day(last_day)}: {_describe_span(ratings)}"
        )
    return sample


def sample_movies(ratings: Ratings, *, n_movies: int, min_ratings_per_user: int, seed: int) -> Ratings:
    """Draw movies at random and keep their ratings by users who rated enough of them.

    Args:
        ratings: the ratings to choose from.
        n_movies: how many movies to draw, among those that have ratings.
        min_ratings_per_user: how many of the drawn movies a user must have rated.
        seed: chooses the movies; the order of the rows does not matter.

    Returns:
        The sample; its catalogue lists only movies that are rated in it.

    Raises:
        ConfigError: if a number is too small, or more movies are wanted than have ratings.
        DataError: if nothing is left.
    """
    _check_at_least(1, n_movies, "the number of movies")
    _check_at_least(0, min_ratings_per_user, "the minimum of ratings per user")
    _check_at_least(0, seed, "the seed")
    rated = list_ids(ratings.movie_ids)
    if n_movies > len(rated):
        raise ConfigError(f"{n_movies} movies are wanted, but only {len(rated)} have ratings")
    drawn = np.random.default_rng(seed).choice(rated, n_movies, replace=False)
    sample = _keep(ratings, np.isin(ratings.movie_ids, drawn))
    sample = _keep(sample, _has_at_least(sample.user_ids, min_ratings_per_user))
    if len(sample) == 0:
        raise DataError(
            f"no user rated {min_ratings_per_user} of the {n_movies} movies drawn: "
            "ask for more movies, or for fewer ratings per user"
        )
    return sample


METHODS: dict[str, Callable[..., Ratings]] = {"period": sample_period, "movies": sample_movies}
"""What each value of --method does with the flags of `FLAGS`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def _run(arguments: argparse.Namespace) -> None:
    """Read, sample, write, and say how much was kept."""
    settings = _collect_settings(arguments)
    check_output_file(arguments.output)
    ratings = read_ratings(arguments.data)
    sample = METHODS[arguments.method](ratings, **settings)
    write_sample_csv(sample, arguments.output)
    kept, given = ({
        "ratings": len(table), "users": _count(table.user_ids), "movies": _count(table.movie_ids)
    } for table in (sample, ratings))  # fmt: skip
    counts = ", ".join(f"{kept[name]:,} of {given[name]:,} {name}" for name in kept)
    twice = f"ratings given twice: {ratings.n_duplicates:,}; the later ones are kept\n"
    print_result(
        {"output": str(arguments.output), "kept": kept, "given": given, "given_twice": ratings.n_duplicates},
        f"{twice if ratings.n_duplicates else ''}{arguments.output}: {counts}",
        as_json=arguments.json,
    )


def _collect_settings(arguments: argparse.Namespace) -> dict[str, int]:
    """Pick the chosen method's settings, and refuse those of the other."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    for method, flags in FLAGS.items():
        strays = [flag for name, flag in flags.items() if name in given]
        if method != arguments.method and strays:
            raise ConfigError(f"{strays[0]} belongs to --method {method}, not to --method {arguments.method}")
    flags = FLAGS[arguments.method]
    settings = {name: value for name, value in (DEFAULTS | given).items() if name in flags}
    missing = [flag for name, flag in flags.items() if name not in settings]
    if missing:
        raise ConfigError(f"--method {arguments.method} needs {' and '.join(missing)}")
    return settings


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--data", type=Path, required=True, help="file, folder or archive of ratings")
    parser.add_argument("--output", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--method", choices=tuple(FLAGS), required=True, help="what the sample is drawn by")
    add_output_flags(parser, "what was kept")
    period = parser.add_argument_group("--method period")
    period.add_argument(
        "--from", dest="first_day", type=parse_day_flag, metavar="DATE", help="first day, YYYY-MM-DD"
    )
    period.add_argument(
        "--to", dest="last_day", type=parse_day_flag, metavar="DATE", help="last day, itself included"
    )
    period.add_argument(
        "--min-ratings-per-movie",
        type=int,
        metavar="N",
        help="ratings a movie needs in the period (default 1)",
    )
    movies = parser.add_argument_group("--method movies")
    movies.add_argument("--movies", dest="n_movies", type=int, metavar="N", help="how many movies to draw")
    movies.add_argument(
        "--min-ratings-per-user", type=int, metavar="N", help="of them, how many a user has rated (default 2)"
    )
    movies.add_argument("--seed", type=int, metavar="N", help="chooses the movies (default 0)")
    return parser


def _check_at_least(lowest: int, number: int, name: str) -> None:
    if number < lowest:
        raise ConfigError(f"{name} is {number}: expected {lowest} or more")


def _has_at_least(ids: Ids, n: int) -> NDArray[np.bool_]:
    """Mark the rows whose id occurs at least n times, (n_rows,)."""
    with track_step("counting ratings", total=len(ids), unit="ratings") as step:
        _, numbers = number_ids(ids, step)
        enough: NDArray[np.bool_] = (np.bincount(numbers) >= n)[numbers]
    return enough


def _keep(ratings: Ratings, rows: NDArray[np.bool_]) -> Ratings:
    """Keep some rows, and of the catalogue the movies that they rate."""
    kept = ratings.take(rows)
    catalogue = ratings.movies
    places = np.flatnonzero(np.isin(catalogue.movie_ids, kept.movie_ids))
    return Ratings(
        user_ids=kept.user_ids,
        movie_ids=kept.movie_ids,
        stars=kept.stars,
        days=kept.days,
        movies=Movies(
            movie_ids=catalogue.movie_ids[places],
            titles=[catalogue.titles[place] for place in places.tolist()],
            release_years=catalogue.release_years[places],
        ),
        scale=kept.scale,
    )


def _describe_span(ratings: Ratings) -> str:
    if len(ratings) == 0:
        return "there are no ratings at all"
    first_day, last_day = format_day(ratings.days[0]), format_day(ratings.days[-1])
    return f"the {len(ratings)} ratings given run from {first_day} to {last_day}"


def _count(ids: Ids) -> int:
    return len(list_ids(ids))


if __name__ == "__main__":
    sys.exit(main())
