"""Train the rating predictor offline: ratings and settings to a run folder, with the RMSE table."""

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from model.cache import read_ratings_once
from model.cli import Parser, add_output_flags, print_result, run_command, say_aside
from model.config import add_config_flags, read_config_flags
from model.formats.pairs import read_pairs
from model.outputs import check_output_folder
from model.progress import track_items
from model.splits import parse_split
from model.synthetic import BUILT_IN, SyntheticConfig, read_truth, write_synthetic
from model.training.runs import is_run

RUNS = Path("artifacts/runs")
CACHE = Path("artifacts/cache")
EXAMPLES = {
    "": "the built-in data: under a minute on two cores",
    "--data ratings.csv --split latest": "your own ratings, measured on each user's latest tenth",
    "--data download/ --test-pairs probe.txt": "the Netflix Prize, measured as the Prize did",
    "--data ratings.csv --features seed --seed 2 --json": "the original method; metrics as JSON",
    "--data ratings.csv --split none --output artifacts/runs/shipped": "everything, for a model to ship",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = Parser(prog="train.py", description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument(
        "--data", type=Path, help="ratings: a file, folder or archive (default: the built-in data)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        help="where data sets of 5 million ratings or more are kept as arrays (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, help=f"the run folder (default: a new one in {RUNS})")
    parser.add_argument(
        "--test-pairs",
        type=Path,
        help="hold out the ratings of these pairs, such as the Prize's probe.txt, instead of --split",
    )
    add_output_flags(parser, "the metrics")
    add_config_flags(parser)
    flags = parser.parse_args(argv)

    def train() -> None:
        config = read_config_flags(flags)
        parse_split(config.training.split)  # a mistake is told before hours of reading
        output = flags.output or RUNS / time.strftime("%Y%m%d-%H%M%S")
        check_output_folder(output)
        if config.training.accelerator == "gpu":  # the only one that may be missing
            _load_pytorch()
            from model.training.heads import require_accelerator  # ruff: ignore[import-outside-top-level]

            require_accelerator("gpu")
        say = say_aside if flags.json else print
        if is_run(output):
            say(f"the run in {output} will be replaced")
        data = flags.data
        if data is None:
            data = BUILT_IN
            say(f"writing the built-in data to {data}")
            write_synthetic(data, SyntheticConfig())
        ratings = read_ratings_once(data, flags.cache, say=say)
        if ratings.n_duplicates:
            say(f"ratings given twice: {ratings.n_duplicates:,}; the later ones are kept")
        pairs = None if flags.test_pairs is None else read_pairs(flags.test_pairs)
        _load_pytorch()
        from model.training.evaluation import format_table  # ruff: ignore[import-outside-top-level]
        from model.training.report.write import HTML  # ruff: ignore[import-outside-top-level]
        from model.training.run import train_run  # ruff: ignore[import-outside-top-level]

        metrics = train_run(ratings, config, output, pairs=pairs, truth=read_truth(data), say=say)
        say(f"trained in {metrics['training_seconds']:.1f} s; the run is in {output}")
        report = output / HTML
        table = format_table(metrics) if "rmse" in metrics else "next: python export.py makes it a bundle"
        facts = {**metrics, "run": str(output), "report": str(report)}
        print_result(facts, f"{table}\nreport: {report}", as_json=flags.json)

    return run_command(train, prog="train.py", verbose=flags.verbose)


def _load_pytorch() -> None:
    """Import what takes seconds, which help and a mistake can do without."""
    for package in track_items(("torch", "pytorch_lightning"), "loading PyTorch", unit="packages"):
        importlib.import_module(package)


if __name__ == "__main__":
    sys.exit(main())
