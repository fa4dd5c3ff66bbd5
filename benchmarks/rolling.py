"""What refreshing the history without retraining is worth.

The weights know the ratings before the cut and stay as they are. *Static* predictions also see only those;
*rolling* ones see everything before their own day. The biases are solved again for every day, the best that
they could do.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import count_training_ratings
from benchmarks.data import add_data_flag, find_data
from benchmarks.measurement import hide_stars
from benchmarks.ours import BundledModel, default_config, list_pairs
from benchmarks.tables import (
    Table,
    add_report_flags,
    describe_machine,
    format_number,
    print_report,
    require_writable,
    write_report,
)
from model.bundle import Bundle
from model.cli import Parser, run_command
from model.errors import ConfigError
from model.history import NO_CUT, build_history
from model.metrics import rmse, score_by_history
from model.progress import track_items
from model.ratings import read_ratings
from model.score import score_pairs
from model.serving.predictor import Predictor
from model.splits import Split, SplitMethod, apply_split, parse_split
from model.table import Ratings
from model.training.baselines import predict_baselines

PROG = "python -m benchmarks.rolling"
EXAMPLES = {
    "--split period:2005-07-01": "what follows the first half of 2005 in the built-in data, day by day",
    "--data ratings.csv --split period:2005-07-01": "the same on ratings of your own",
}

LINES = {
    "biases_static": "user and movie biases, static",
    "full_static": "ours, the full model, static",
    "biases_rolling": "user and movie biases, rolling",
    "full_rolling": "ours, the full model, rolling",
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


def predict_rolling(bundle: Bundle, ratings: Ratings, test: Ratings) -> NDArray[np.float32]:
    """Predict each row from everything before its day, with the bundle's weights.

    Args:
        bundle: trained on a part of `ratings`; of the same catalogue.
        ratings: everything known, the test rows included: each is cut away by its own day.
        test: the rows to predict.
    """
    refreshed = bundle.with_history(build_history(ratings))
    cuts = test.days.astype(np.int32)
    return score_pairs(Predictor(refreshed), list_pairs(test), cuts)


def predict_biases_rolling(ratings: Ratings, test: Ratings) -> NDArray[np.float64]:
    """Solve for the biases anew on each day of the test rows, from everything before it.

    Args:
        ratings: everything known.
        test: the rows to predict; some rating is older than the first of them.
    """
    asked = hide_stars(test)
    predicted = np.empty(len(test))
    for day in track_items(np.unique(test.days).tolist(), "solving for biases", unit="days"):
        rows = np.flatnonzero(test.days == day)
        known = build_history(ratings.take(ratings.days < day))
        predicted[rows] = predict_baselines(known, asked.take(rows))["biases"]
    return predicted


def measure_rolling(ratings: Ratings, split: Split, *, model: BundledModel) -> dict[str, Any]:
    """Predict the test rows both ways.

    Args:
        ratings: all ratings.
        split: the same ratings, divided by date.
        model: this project, not fitted yet.

    Returns:
        The figures, ready for JSON.
    """
    train, test = split.train, split.test
    model.fit(train)
    model.deploy()
    history = build_history(train)
    static = np.full(len(test), NO_CUT, dtype=np.int32)
    predicted: dict[str, NDArray[np.floating]] = {
        "biases_static": predict_baselines(history, hide_stars(test))["biases"],
        "full_static": score_pairs(Predictor(model.bundle), list_pairs(test), static),
        "biases_rolling": predict_biases_rolling(ratings, test),
        "full_rolling": predict_rolling(model.bundle, ratings, test),
    }
    lengths, _ = count_training_ratings(history, test)
    return {
        "train_rows": len(train),
        "test_rows": len(test),
        "lines": {
            name: {
                "rmse": rmse(values, test.stars),
                "rmse_by_history_length": [
                    {"ratings_known": score.label, "rows": score.n_rows, "rmse": score.rmse}
                    for score in score_by_history(values, test.stars, lengths)
                ],
            }
            for name, values in predicted.items()
        },
    }


def build_tables(report: dict[str, Any]) -> list[Table]:
    """Lay a report out: a line each for static and rolling."""
    buckets = report["lines"]["full_static"]["rmse_by_history_length"]
    title = (
        f"{report['data']}, {report['split']}, RMSE by ratings of the user known at the cut: "
        f"{report['train_rows']:,} training and {report['test_rows']:,} test rows"
    )
    rows = [
        ["test rows", f"{report['test_rows']:,}", *(f"{bucket['rows']:,}" for bucket in buckets)],
        *(
            [
                description,
                format_number(report["lines"][name]["rmse"]),
                *(
                    format_number(bucket["rmse"])
                    for bucket in report["lines"][name]["rmse_by_history_length"]
                ),
            ]
            for name, description in LINES.items()
        ),
    ]
    return [Table(title, ["", "all", *(bucket["ratings_known"] for bucket in buckets)], rows)]


def _run(arguments: argparse.Namespace) -> None:
    require_writable(arguments.json)
    require_writable(arguments.markdown)
    spec = parse_split(arguments.split)
    if spec.method is not SplitMethod.PERIOD:
        raise ConfigError(f"split {arguments.split!r} has no cut to roll on from: expected period:YYYY-MM-DD")
    data = find_data(arguments.data)
    ratings = read_ratings(data)
    split = apply_split(ratings, spec, seed=arguments.seed)
    report = {
        "data": data.resolve().name,
        "split": arguments.split,
        "seed": arguments.seed,
        **describe_machine(),
        **measure_rolling(ratings, split, model=BundledModel(default_config("full", seed=arguments.seed))),
    }
    tables = build_tables(report)
    write_report(report, tables, as_json=arguments.json, as_markdown=arguments.markdown)
    print_report(report, tables, as_json=arguments.json)


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    add_data_flag(parser)
    parser.add_argument("--split", required=True, help="period:YYYY-MM-DD")
    parser.add_argument("--seed", type=int, default=1, help="of the model (default: %(default)s)")
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
