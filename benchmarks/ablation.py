"""What each part of the model is worth: trained again with parts added one by one, and without each.

All variants share the run's folds and posterior samples; only the heads are trained anew. Scored from torch:
the exported graph agrees with it to 1e-4 stars, which `export.py` proves every time.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import SPLIT_SEED, add_data_flag, find_data, parse_measured_split
from benchmarks.ours import default_config
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
from model.config import RunConfig
from model.features import FULL_FEATURES, SEED_FEATURES
from model.history import build_history
from model.metrics import bucket_history, rmse
from model.progress import track_items
from model.ratings import read_ratings
from model.splits import Split, apply_split
from model.training.evaluation import predict_test
from model.training.fit import encode_rows, fit_network
from model.training.prepare import prepare_rows

PROG = "python -m benchmarks.ablation"
EXAMPLES = {
    "": "on the latest tenth of each user of the built-in data",
    "--data ratings.csv": "the same on ratings of your own",
    "--data ratings.csv --split random --seeds 3 --markdown ablation.md": "the mean of three, as Markdown",
}

DISTANCES = tuple(name for name in FULL_FEATURES if name.startswith(("distance", "closeness", "neighbour_c")))
COUNTS = ("user_count", "user_bias", "era_count", "user_era_bias", "movie_count", "movie_bias")
DAYS = ("movie_age", "recent_count", "recent_bias")
NEIGHBOURS = (*(name for name in SEED_FEATURES if name.startswith("neighbour")), *DISTANCES)
ERAS = ("era_mean", "era_count", "user_era_bias")
FEW_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the table."""

    description: str
    names: tuple[str, ...]
    """Its features, in the order of `FULL_FEATURES`."""
    n_samples: int = 0
    """Posterior samples that the encoder averages; 0 for no encoder."""


def _pick(*names: str) -> tuple[str, ...]:
    return tuple(name for name in FULL_FEATURES if name in names)


def _drop(*names: str) -> tuple[str, ...]:
    return tuple(name for name in FULL_FEATURES if name not in names)


def list_variants(n_samples: int) -> list[Variant]:
    """The variants, from the five seed features to the full model, then the full model without each part.

    Args:
        n_samples: how many samples the full model averages.
    """
    return [
        Variant("seed: four neighbours' ratings, era mean", SEED_FEATURES),
        Variant("+ distances, closenesses", _pick(*SEED_FEATURES, *DISTANCES)),
        Variant("+ biases, counts", _pick(*SEED_FEATURES, *DISTANCES, *COUNTS)),
        Variant("+ days", FULL_FEATURES),
        Variant(f"+ history encoder, {FEW_SAMPLES} samples", FULL_FEATURES, FEW_SAMPLES),
        Variant(f"+ averaging {n_samples} samples (full)", FULL_FEATURES, n_samples),
        Variant("full without neighbours", _drop(*NEIGHBOURS), n_samples),
        Variant("full without eras", _drop(*ERAS), n_samples),
        Variant("full without neighbours, eras", _drop(*NEIGHBOURS, *ERAS), n_samples),
        Variant("full without days", _drop(*DAYS), n_samples),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def measure_variants(split: Split, config: RunConfig) -> list[dict[str, Any]]:
    """Train and score every variant.

    Args:
        split: training and test ratings.
        config: the configuration of the full model.

    Returns:
        A line each: its description, RMSE and RMSE by history length.
    """
    history, test = build_history(split.train), split.test
    prepared = prepare_rows(history, config)
    lines = []
    with tempfile.TemporaryDirectory(prefix="ablation-") as scratch:
        encoded = {}
        for n_samples in (FEW_SAMPLES, config.network.n_samples):
            folder = Path(scratch) / f"samples-{n_samples}"
            folder.mkdir()
            network = dataclasses.replace(config.network, n_samples=n_samples)
            encoded[n_samples] = encode_rows(
                history, prepared, dataclasses.replace(config, network=network), folder
            )
        for place, variant in enumerate(
            track_items(list_variants(config.network.n_samples), "training variants", unit="variants")
        ):
            trained = fit_network(
                history,
                prepared,
                config,
                Path(scratch) / str(place),
                names=variant.names,
                encoded=encoded.get(variant.n_samples),
            )
            evaluation = predict_test(history, test, {"variant": trained})
            stars = evaluation.predicted["variant"][:, 0]
            lines.append({
                "variant": variant.description,
                "rmse": rmse(stars, test.stars),
                "rmse_by_history_length": [
                    {
                        "ratings_known": label,
                        "rows": int(rows.sum()),
                        "rmse": rmse(stars[rows], test.stars[rows]) if rows.any() else None,
                    }
                    for label, rows in bucket_history(evaluation.history_lengths)
                ],
            })
    return lines


def build_tables(report: dict[str, Any]) -> list[Table]:
    """Lay a report out: a line each variant, the mean over the seeds."""
    runs = report["runs"]
    labels = [bucket["ratings_known"] for bucket in runs[0][0]["rmse_by_history_length"]]
    title = (
        f"{report['data']}, {report['split']}, RMSE, mean of {len(runs)} seeds: "
        f"{report['train_rows']:,} training and {report['test_rows']:,} test rows"
    )
    rows = []
    for place, line in enumerate(runs[0]):
        buckets = np.array([
            [
                np.nan if bucket["rmse"] is None else bucket["rmse"]
                for bucket in run[place]["rmse_by_history_length"]
            ]
            for run in runs
        ]).mean(axis=0)
        rows.append([
            line["variant"],
            format_number(float(np.mean([run[place]["rmse"] for run in runs]))),
            *(format_number(None if np.isnan(value) else float(value)) for value in buckets),
        ])
    return [Table(title, ["", "all", *labels], rows)]


def _run(arguments: argparse.Namespace) -> None:
    require_writable(arguments.json)
    require_writable(arguments.markdown)
    spec = parse_measured_split(arguments.split)
    data = find_data(arguments.data)
    split = apply_split(read_ratings(data), spec, seed=SPLIT_SEED)
    report = {
        "data": data.resolve().name,
        "split": arguments.split,
        "train_rows": len(split.train),
        "test_rows": len(split.test),
        **describe_machine(),
        "runs": [
            measure_variants(split, default_config("full", seed=seed))
            for seed in range(1, arguments.seeds + 1)
        ],
    }
    tables = build_tables(report)
    write_report(report, tables, as_json=arguments.json, as_markdown=arguments.markdown)
    print_report(report, tables, as_json=arguments.json)


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    add_data_flag(parser)
    parser.add_argument(
        "--split", default="latest", help="latest, period:YYYY-MM-DD or random (default: latest)"
    )
    parser.add_argument(
        "--seeds", type=parse_fits, default=1, help="fits of every variant, averaged (default: 1)"
    )
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
