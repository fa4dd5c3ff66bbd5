"""Predict many pairs of user and movie at once, and measure the predictions where the ratings are known."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bundle import Bundle, load_bundle
from model.cli import Parser, add_output_flags, parse_day_flag, print_result, run_command
from model.errors import DataError
from model.formats.pairs import Pairs, read_pairs
from model.history import NO_CUT, UNKNOWN, History
from model.metrics import rmse, score_by_history
from model.neighbours import NeighbourSearch
from model.outputs import check_output_file
from model.progress import track_rows, track_step
from model.serving.predictor import Predictor

PROG = "python -m model.score"
EXAMPLES = {
    "--bundle artifacts/bundle --pairs pairs.csv --output predicted.csv": "from everything known",
    "--bundle artifacts/bundle --pairs probe.txt --output predictions.txt": "the Prize's submission format",
    "--bundle artifacts/bundle --pairs pairs.csv --output predicted.csv --as-of 2005-01-01": (
        "from what was known before 2005"
    ),
    "--bundle artifacts/bundle --pairs ratings.csv --output predicted.csv --rolling --json": (
        "each row from what was known before its own day; the RMSE as JSON"
    ),
}
COLUMNS = "user_id,movie_id,predicted_rating"
"""The header of the output, unless the pairs ask for the Prize's submission format."""

CHUNK_PAIRS = 8_192
"""Pairs predicted at once: many enough to do a user's work once, few enough to stay in memory."""
CHUNK_CUTS = 8
"""Different days at once that cut the history: each takes a table of all movies."""


def score_pairs(
    predictor: Predictor,
    pairs: Pairs,
    cuts: NDArray[np.int32],
    *,
    search: NeighbourSearch | None = None,
) -> NDArray[np.float32]:
    """Predict every pair.

    Args:
        predictor: a loaded bundle.
        pairs: whom and what to predict, known to the bundle or not.
        cuts: (n_pairs,) each prediction uses ratings strictly before this day; `NO_CUT` uses all.
        search: finds the neighbours; the NumPy search by default.

    Returns:
        (n_pairs,) stars, in the order of the pairs.
    """
    predicted = np.empty(len(pairs), dtype=np.float32)
    # neighbours in this order share a day's view of the history, and a user's gaps to everybody
    order = np.lexsort((pairs.user_ids, cuts))
    with track_step("predicting", total=len(pairs), unit="pairs") as step:
        for rows in _divide(order, cuts):
            predicted[rows] = predictor.predict_pairs(
                pairs.user_ids[rows],
                pairs.movie_ids[rows],
                cuts=cuts[rows],
                days=None if pairs.days is None else pairs.days[rows].astype(np.int32),
                search=search,
            )
            step.advance(len(rows))
    return predicted


def find_compiled_search(bundle: Bundle) -> NeighbourSearch | None:
    """The compiled neighbour search, ten times as fast, where the `train` extra is installed; else None.

    Args:
        bundle: the history to search.
    """
    if importlib.util.find_spec("numba") is None:
        return None
    from model.training.bulk_neighbours import build_whole_search  # ruff: ignore[import-outside-top-level]

    most = bundle.manifest["training_config"]["training"]["most_candidates"]
    return build_whole_search(bundle.history, most_candidates=most)


def count_known(history: History, pairs: Pairs, cuts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count the ratings of each pair's user that its prediction may use: the pair's own is not among them.

    Args:
        history: all known ratings.
        pairs: whom and what to predict.
        cuts: (n_pairs,) only ratings strictly before this day count.

    Returns:
        (n_pairs,) numbers of ratings; 0 for unknown users.
    """
    users, movies = history.find_users(pairs.user_ids), history.find_movies(pairs.movie_ids)
    counts = np.empty(len(pairs), dtype=np.int64)
    for rows in track_rows(len(pairs), "counting known ratings", unit="pairs", at_once=CHUNK_PAIRS):
        asked = zip(users[rows].tolist(), movies[rows].tolist(), cuts[rows].tolist(), strict=True)
        counts[rows] = [
            np.count_nonzero(history.user_movies[history.user_rows(user, cut)] != movie)
            for user, movie, cut in asked
        ]
    return counts


def write_predictions(path: Path, pairs: Pairs, predicted: NDArray[np.float32]) -> None:
    """Write predictions: there whole afterwards, or not at all.

    Args:
        path: the file; replaced if it is there.
        pairs: what was asked; says which of the two forms is written.
        predicted: (n_pairs,) stars.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="ascii", newline="") as stream:
            stream.writelines(
                _format_submission(pairs, predicted)
                if pairs.is_prize_query
                else _format_csv(pairs, predicted)
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    """Read, predict, write, and say how good it was."""
    check_output_file(arguments.output)
    bundle = load_bundle(arguments.bundle)
    predictor = Predictor(bundle)
    predictor.self_test()
    pairs = read_pairs(arguments.pairs)
    cuts = _choose_cuts(arguments, pairs)
    search = find_compiled_search(bundle)
    predicted = score_pairs(predictor, pairs, cuts, search=search)
    write_predictions(arguments.output, pairs, predicted)
    report = _build_report(bundle.history, pairs, cuts, predicted)
    print_result(
        {**report, "output": str(arguments.output)},
        f"{arguments.output}: {_format_report(report)}",
        as_json=arguments.json,
    )


def _choose_cuts(arguments: argparse.Namespace, pairs: Pairs) -> NDArray[np.int32]:
    """The day that cuts the history of each pair, (n_pairs,)."""
    if not arguments.rolling:
        cut = NO_CUT if arguments.as_of is None else arguments.as_of
        return np.full(len(pairs), cut, dtype=np.int32)
    if pairs.days is None:
        raise DataError(
            f"{arguments.pairs}: --rolling needs the date of every row, and row 1 (user {pairs.user_ids[0]}, "
            f"movie {pairs.movie_ids[0]}) has none: expected user_id,movie_id,date or a file with dates"
        )
    return pairs.days.astype(np.int32)


def _divide(order: NDArray[np.int64], cuts: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
    """Divide rows into chunks.

    Args:
        order: (n,) row numbers, ascending by their cut.
        cuts: (n,) the day that cuts each row.

    Yields:
        Row numbers: at most `CHUNK_PAIRS`, with at most `CHUNK_CUTS` different cuts.
    """
    ordered = cuts[order]
    numbers = np.concatenate([[0], np.cumsum(np.diff(ordered) > 0)])  # 0, 1, ... for each different cut
    start = 0
    while start < len(order):
        stop = min(start + CHUNK_PAIRS, int(np.searchsorted(numbers, numbers[start] + CHUNK_CUTS)))
        yield order[start:stop]
        start = stop


def _format_csv(pairs: Pairs, predicted: NDArray[np.float32]) -> Iterator[str]:
    """Write one line a pair.

    Yields:
        The header, then blocks of `user,movie,stars`.
    """
    yield f"{COLUMNS}\n"
    for rows in track_rows(len(pairs), "writing", unit="predictions", at_once=CHUNK_PAIRS):
        columns = (pairs.user_ids[rows], pairs.movie_ids[rows], predicted[rows])
        lines = zip(*(column.tolist() for column in columns), strict=True)
        yield "".join(f"{user},{movie},{stars:.4f}\n" for user, movie, stars in lines)


def _format_submission(pairs: Pairs, predicted: NDArray[np.float32]) -> Iterator[str]:
    """Write the Prize's submission format.

    Yields:
        `movie:` above the predictions of its users, one a line.
    """
    previous = None
    for rows in track_rows(len(pairs), "writing", unit="predictions", at_once=CHUNK_PAIRS):
        for movie, stars in zip(pairs.movie_ids[rows].tolist(), predicted[rows].tolist(), strict=True):
            if movie != previous:
                yield f"{movie}:\n"
                previous = movie
            yield f"{stars:.4f}\n"


def _build_report(
    history: History, pairs: Pairs, cuts: NDArray[np.int32], predicted: NDArray[np.float32]
) -> dict[str, Any]:
    """What --json prints: how many pairs there were and, where their ratings are known, the error."""
    report: dict[str, Any] = {
        "pairs": len(pairs),
        "unknown_users": int(np.count_nonzero(history.find_users(pairs.user_ids) == UNKNOWN)),
        "unknown_movies": int(np.count_nonzero(history.find_movies(pairs.movie_ids) == UNKNOWN)),
    }
    if pairs.stars is not None:
        lengths = count_known(history, pairs, cuts)
        report["rmse"] = rmse(predicted, pairs.stars)
        report["rmse_by_history_length"] = [
            {"ratings_known": score.label, "rows": score.n_rows, "rmse": score.rmse}
            for score in score_by_history(predicted, pairs.stars, lengths)
        ]
    return report


def _format_report(report: dict[str, Any]) -> str:
    """The report in words."""
    summary = (
        f"{report['pairs']:,} predictions, {report['unknown_users']:,} of them for users and "
        f"{report['unknown_movies']:,} for movies that the bundle does not know"
    )
    if "rmse" not in report:
        return summary
    buckets = [bucket for bucket in report["rmse_by_history_length"] if bucket["rows"]]
    return "\n".join([
        summary,
        f"RMSE {report['rmse']:.4f}; by ratings known of the user:",
        *(
            f"{bucket['ratings_known']:>8} {bucket['rmse']:.4f} {bucket['rows']:>12,} rows"
            for bucket in buckets
        ),
    ])


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--bundle", type=Path, required=True, help="the folder that export.py wrote")
    parser.add_argument(
        "--pairs",
        type=Path,
        required=True,
        help="user_id,movie_id[,date][,rating] as CSV, any rating file, or the Prize's probe or qualifying",
    )
    parser.add_argument("--output", type=Path, required=True, help="the file to write")
    add_output_flags(parser, "the report")
    history = parser.add_mutually_exclusive_group()
    history.add_argument(
        "--as-of", type=parse_day_flag, metavar="DATE", help="use only ratings before this day"
    )
    history.add_argument("--rolling", action="store_true", help="use only ratings before each row's own date")
    return parser


if __name__ == "__main__":
    sys.exit(main())
