"""Fit this project and its peers on the same rows and score the same test rows.

Every method runs in a process of its own, one after the other, and is never shown a test rating. This
project is scored from the exported bundle, through the predictor that serves.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import SPLIT_SEED, add_data_flag, find_data, parse_measured_split
from benchmarks.measurement import Measurement, measure_apart
from benchmarks.methods import METHODS, choose_methods, require_packages
from benchmarks.tables import (
    Table,
    add_report_flags,
    describe_machine,
    format_number,
    parse_fits,
    print_report,
    require_writable,
    write_report,
)
from model.cli import Parser, run_command
from model.history import UNKNOWN, History, build_history
from model.metrics import rmse, score_by_history
from model.progress import track_step
from model.ratings import read_ratings
from model.splits import Split, apply_split
from model.synthetic import lowest_rmse, read_truth
from model.table import Ratings

PROG = "python -m benchmarks.accuracy"
EXAMPLES = {
    "": "every method on the built-in data, three times",
    "--data ratings.csv --split latest": "the same on ratings of your own",
    "--data ratings.csv --split random --peers biases,myfm,full --json": "some; the figures as JSON",
    "--data ratings.csv --seeds 3 --peer-seeds 1 --markdown accuracy.md": "ours thrice, peers once",
}
BREAKDOWNS = {
    "rmse_by_history_length": "RMSE by training ratings of the user",
    "rmse_by_movie_popularity": "RMSE by training ratings of the movie",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def compare(
    split: Split, names: Sequence[str], *, seeds: int, peer_seeds: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure methods one after the other.

    Args:
        split: the training and the test rows.
        names: which of `METHODS`.
        seeds: how often this project is fitted, with the seeds 1, 2, ...
        peer_seeds: how often a peer is fitted that another seed changes.

    Yields:
        Each method's name and its line of the report.
    """
    history = build_history(split.train)
    lengths, popularities = count_training_ratings(history, split.test)
    n_fits = {
        name: 1 if not METHODS[name].is_seeded else seeds if METHODS[name].is_ours else peer_seeds
        for name in names
    }
    with track_step("fitting", total=sum(n_fits.values()), unit="fits") as step:
        for name, n in n_fits.items():
            measurements = []
            for seed in range(1, n + 1):
                step.name = f"fitting {name}"
                measurements.append(measure_apart(name, seed=seed, train=split.train, test=split.test))
                step.advance()
            yield name, summarise(measurements, split.test, lengths, popularities)


def count_training_ratings(history: History, test: Ratings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the training ratings of each test row's user and of its movie.

    Args:
        history: the index of the training ratings.
        test: the test rows.

    Returns:
        (n_test,) ratings of the user, and (n_test,) of the movie; 0 for unknown ones.
    """
    users, movies = history.find_users(test.user_ids), history.find_movies(test.movie_ids)
    of_users, of_movies = np.diff(history.user_offsets), np.diff(history.movie_offsets)
    return np.where(users == UNKNOWN, 0, of_users[users]), np.where(movies == UNKNOWN, 0, of_movies[movies])


def summarise(
    measurements: Sequence[Measurement],
    test: Ratings,
    lengths: NDArray[np.int64],
    popularities: NDArray[np.int64],
) -> dict[str, Any]:
    """Average a method's fits.

    Args:
        measurements: one for each seed.
        test: the test rows.
        lengths: (n_test,) training ratings of the user.
        popularities: (n_test,) training ratings of the movie.
    """
    scores = [rmse(one.predicted, test.stars) for one in measurements]
    errors = [np.abs(one.predicted - test.stars).mean() for one in measurements]
    return {
        "fits": len(measurements),
        "rmse": float(np.mean(scores)),
        "rmse_standard_deviation": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "rmse_of_each": scores,
        "mae": float(np.mean(errors)),
        "fit_seconds": float(np.mean([one.fit_seconds for one in measurements])),
        "deploy_seconds": float(np.mean([one.deploy_seconds for one in measurements])),
        "score_seconds": float(np.mean([one.score_seconds for one in measurements])),
        "peak_memory_mb": float(max(one.peak_memory_mb for one in measurements)),
        "rmse_by_history_length": _average_buckets(measurements, test, lengths),
        "rmse_by_movie_popularity": _average_buckets(measurements, test, popularities),
    }


def build_tables(report: Mapping[str, Any]) -> list[Table]:
    """Lay a report out: overall, by history length, by movie popularity."""
    methods: Mapping[str, Mapping[str, Any]] = report["methods"]
    title = (
        f"{report['data']}, {report['split']}: {report['train_rows']:,} training and "
        f"{report['test_rows']:,} test rows, {report['cpu_count']} processors"
    )
    heads = ["method", "fits", "RMSE", "± sd", "MAE", "fit s", "export s", "scoring s", "peak MB"]
    rows = [
        [
            METHODS[name].description,
            str(line["fits"]),
            format_number(line["rmse"]),
            format_number(line["rmse_standard_deviation"]),
            format_number(line["mae"]),
            format_number(line["fit_seconds"], 1),
            format_number(line["deploy_seconds"] if METHODS[name].is_ours else None, 1),
            format_number(line["score_seconds"], 1),
            format_number(line["peak_memory_mb"], 0),
        ]
        for name, line in methods.items()
    ]
    if report["lowest_rmse"] is not None:
        lowest = format_number(report["lowest_rmse"])
        rows.append(["lowest that anybody could expect", "-", lowest, *["-"] * (len(heads) - 3)])
    tables = [Table(title, heads, rows)]
    for key, subject in BREAKDOWNS.items():
        buckets = next(iter(methods.values()))[key]
        tables.append(
            Table(
                subject,
                ["method", *(bucket["ratings_known"] for bucket in buckets)],
                [
                    ["test rows", *(f"{bucket['rows']:,}" for bucket in buckets)],
                    *(
                        [METHODS[name].description, *(format_number(bucket["rmse"]) for bucket in line[key])]
                        for name, line in methods.items()
                    ),
                ],
            )
        )
    return tables


def _average_buckets(
    measurements: Sequence[Measurement], test: Ratings, counts: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """The mean over fits of the RMSE in each bucket of a count."""
    of_each = [score_by_history(one.predicted, test.stars, counts) for one in measurements]
    return [
        {
            "ratings_known": bucket[0].label,
            "rows": bucket[0].n_rows,
            "rmse": float(np.mean([score.rmse for score in bucket])) if bucket[0].n_rows else None,
        }
        for bucket in zip(*of_each, strict=True)
    ]


def _run(arguments: argparse.Namespace) -> None:
    """Read, compare, report; the files are kept up to date after every method."""
    names = choose_methods(arguments.peers)
    peer_seeds = arguments.peer_seeds or arguments.seeds
    require_packages(names)
    require_writable(arguments.json)
    require_writable(arguments.markdown)
    spec = parse_measured_split(arguments.split)
    data = find_data(arguments.data)
    split = apply_split(read_ratings(data), spec, seed=SPLIT_SEED)
    truth = read_truth(data)
    report: dict[str, Any] = {
        "data": data.resolve().name,
        "split": arguments.split,
        "train_rows": len(split.train),
        "test_rows": len(split.test),
        "split_seed": SPLIT_SEED,
        "seeds": arguments.seeds,
        "peer_seeds": peer_seeds,
        **describe_machine(),
        "lowest_rmse": None if truth is None else lowest_rmse(truth, split.test),
        "methods": {},
    }
    for name, line in compare(split, names, seeds=arguments.seeds, peer_seeds=peer_seeds):
        report["methods"][name] = line
        write_report(report, build_tables(report), as_json=arguments.json, as_markdown=arguments.markdown)
    print_report(report, build_tables(report), as_json=arguments.json)


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    add_data_flag(parser)
    parser.add_argument(
        "--split", default="latest", help="latest, period:YYYY-MM-DD or random (default: %(default)s)"
    )
    parser.add_argument("--peers", help=f"what to compare, by commas: {','.join(METHODS)} (default: all)")
    parser.add_argument(
        "--seeds", type=parse_fits, default=3, help="fits of this project, averaged (default: %(default)s)"
    )
    parser.add_argument(
        "--peer-seeds", type=parse_fits, help="fits of peers that have seeds (default: as --seeds)"
    )
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
