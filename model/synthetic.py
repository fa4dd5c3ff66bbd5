"""The built-in data set: made-up ratings with the Netflix Prize's shape, in its own file layout.

Everything works before anybody has downloaded anything, and because the ratings are drawn from a known model,
the best score that anyone could reach on any rows of them is known exactly. A report can then say how far a
trained model is from perfect, which no real data set allows.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.cli import Parser, add_output_flags, print_result, run_command
from model.dates import format_day
from model.errors import DataError
from model.folders import replace_folder, staged_folder
from model.generation import SyntheticConfig, SyntheticTruth, build_synthetic
from model.outputs import check_output_folder
from model.progress import track_step
from model.splits import find_pairs
from model.table import NO_YEAR, Movies, Ratings

__all__ = [
    "BUILT_IN",
    "SyntheticConfig",
    "SyntheticTruth",
    "best_predictions",
    "build_synthetic",
    "lowest_rmse",
    "read_truth",
    "write_synthetic",
]

PROG = "python -m model.synthetic"
EXAMPLES = {
    "--output made-up/": "what `python train.py` trains on",
    "--output made-up/ --seed 2 --json": "others of the same size; what was written as JSON",
}

BUILT_IN = Path("artifacts/built-in-data")
"""Where commands that are given no ratings write some."""

RATINGS_FILE = "combined_data_1.txt"
TITLES_FILE = "movie_titles.csv"
TRUTH_FILE = "synthetic_truth.npy"
"""Beside the ratings; NumPy's own format, which no reader of ratings takes for its own."""

_TRUTH_FIELDS = np.dtype([
    ("user_id", "<i8"),
    ("movie_id", "<i8"),
    ("expected_rating", "<f4"),
    ("variance", "<f4"),
])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command: write the built-in data.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)

    def run() -> None:
        config = SyntheticConfig(seed=arguments.seed)
        check_output_folder(arguments.output)
        write_synthetic(arguments.output, config)
        print_result(
            {"output": str(arguments.output), **asdict(config)},
            f"{arguments.output}: {config.n_ratings:,} ratings of {config.n_users:,} users "
            f"and {config.n_movies:,} movies",
            as_json=arguments.json,
        )

    return run_command(run, prog=PROG, verbose=arguments.verbose)


def write_synthetic(folder: Path, config: SyntheticConfig) -> SyntheticTruth:
    """Write the built-in data set: ratings and titles in the Prize's layout, and the truth beside them.

    The folder appears complete or not at all. One that is there already is replaced if this function wrote
    it; anything else is left alone, with a DataError.

    Args:
        folder: where to; missing parents are made.
        config: how much.
    """
    _refuse_foreign(folder)
    with (
        track_step("drawing and writing", total=config.n_ratings, unit="ratings") as step,
        staged_folder(folder) as staged,
    ):
        ratings, truth = build_synthetic(config)
        (staged / RATINGS_FILE).write_text("".join(_rating_lines(ratings)), encoding="ascii", newline="\n")
        (staged / TITLES_FILE).write_text(
            "".join(format_titles(ratings.movies)), encoding="latin-1", newline="\n"
        )
        _write_truth(staged / TRUTH_FILE, truth)
        replace_folder(staged, folder)
        step.advance(config.n_ratings)
    return truth


def read_truth(folder: Path) -> SyntheticTruth | None:
    """Read what `write_synthetic` knew about its ratings.

    Args:
        folder: any path to ratings.

    Returns:
        The truth; None where there is none, as with every real data set.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / TRUTH_FILE
    if not path.is_file():
        return None
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged: {error}; write the built-in data again") from error
    if not isinstance(rows, np.ndarray) or rows.dtype != _TRUTH_FIELDS or rows.ndim != 1:
        raise DataError(
            f"{path} does not hold {', '.join(_TRUTH_FIELDS.names or ())}; write the built-in data again"
        )
    return SyntheticTruth(*(np.ascontiguousarray(rows[name]) for name in _TRUTH_FIELDS.names or ()))


def lowest_rmse(truth: SyntheticTruth, ratings: Ratings) -> float:
    """Compute the RMSE, in stars, that the best prediction of these ratings has on average over their noise.

    On one draw of the noise it comes out a little higher or lower; compare with `best_predictions` for that.

    Args:
        truth: of the data set that the ratings are from.
        ratings: some of its rows.

    Raises:
        DataError: if there are no rows.
    """
    if len(ratings) == 0:
        raise DataError("the lowest RMSE of no ratings at all is not defined")
    return math.sqrt(np.mean(truth.variances[_find_rows(truth, ratings)], dtype=np.float64))


def best_predictions(truth: SyntheticTruth, ratings: Ratings) -> NDArray[np.float32]:
    """Look up the predictions that nothing can beat but luck, (n,) stars.

    Args:
        truth: of the data set that the ratings are from.
        ratings: some of its rows.
    """
    return truth.expected_ratings[_find_rows(truth, ratings)]


def _find_rows(truth: SyntheticTruth, ratings: Ratings) -> NDArray[np.int64]:
    """Find the truth's row of each rating."""
    rows = find_pairs(
        ratings.user_ids, ratings.movie_ids, among_user_ids=truth.user_ids, among_movie_ids=truth.movie_ids
    )
    if np.any(rows < 0):
        stray = int(np.argmin(rows))
        raise DataError(
            f"user {ratings.user_ids[stray]}'s rating of movie {ratings.movie_ids[stray]} is none of the "
            f"built-in data's: {TRUTH_FILE} belongs to other ratings"
        )
    return rows


def _write_truth(path: Path, truth: SyntheticTruth) -> None:
    rows = np.empty(len(truth.user_ids), dtype=_TRUTH_FIELDS)
    rows["user_id"], rows["movie_id"] = truth.user_ids, truth.movie_ids
    rows["expected_rating"], rows["variance"] = truth.expected_ratings, truth.variances
    np.save(path, rows, allow_pickle=False)


def _rating_lines(ratings: Ratings) -> Iterator[str]:
    """Write the Prize's lines.

    Yields:
        `movie:`, then `user,stars,date` for each of its ratings.
    """
    dates = {day: format_day(day) for day in np.unique(ratings.days).tolist()}
    order = np.argsort(ratings.movie_ids, kind="stable")  # by movie, within a movie by time
    columns = (ratings.movie_ids, ratings.user_ids, ratings.stars.astype(np.int64), ratings.days)
    previous = None
    for movie_id, user_id, stars, day in zip(*(column[order].tolist() for column in columns), strict=True):
        if movie_id != previous:
            yield f"{movie_id}:\n"
            previous = movie_id
        yield f"{user_id},{stars},{dates[day]}\n"


def format_titles(movies: Movies) -> Iterator[str]:
    """Write the Prize's lines.

    Yields:
        `id,year,title`.
    """
    for movie_id, year, title in zip(movies.movie_ids, movies.release_years, movies.titles, strict=True):
        yield f"{movie_id},{'NULL' if year == NO_YEAR else year},{title}\n"


def _refuse_foreign(folder: Path) -> None:
    """Make sure that nothing is replaced but an empty folder or one that `write_synthetic` wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is a file: expected a folder to write the built-in data to")
    names = {path.name for path in folder.iterdir()}
    strays = sorted(names - {RATINGS_FILE, TITLES_FILE, TRUTH_FILE})
    if strays or (names and TRUTH_FILE not in names):
        what = strays[0] if strays else min(names)
        raise DataError(
            f"{folder} is not replaced: {what} in it is not of the built-in data; give a new or empty folder"
        )


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--seed", type=int, default=SyntheticConfig().seed, help="of all randomness (default: %(default)s)"
    )
    add_output_flags(parser, "what was written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
