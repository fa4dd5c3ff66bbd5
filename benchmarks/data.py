"""The ratings that a benchmark runs on: those that `--data` names or, as in `train.py`, the built-in ones."""

import argparse
from pathlib import Path

from model.cli import say_aside
from model.errors import ConfigError
from model.splits import SplitMethod, SplitSpec, parse_split
from model.synthetic import BUILT_IN, SyntheticConfig, write_synthetic

SPLIT_SEED = 1
"""Chooses the test rows of `random`, for every method and seed the same; train.py's default."""


def add_data_flag(parser: argparse.ArgumentParser) -> None:
    """Add --data, whose value `find_data` takes."""
    parser.add_argument(
        "--data", type=Path, help="ratings: a file, folder or archive (default: the built-in data)"
    )


def find_data(path: Path | None) -> Path:
    """Where the ratings are; where none are named, the built-in data is written first.

    Args:
        path: what `--data` named, if anything.
    """
    if path is not None:
        return path
    say_aside(f"writing the built-in data to {BUILT_IN}")
    write_synthetic(BUILT_IN, SyntheticConfig())
    return BUILT_IN


def parse_measured_split(text: str) -> SplitSpec:
    """Read the value of `--split` where test rows are needed: known before any ratings are read.

    Raises:
        ConfigError: if it is no split, or leaves nothing to measure on.
    """
    spec = parse_split(text)
    if spec.method is SplitMethod.NONE:
        raise ConfigError(f"split {text!r} leaves no test rows: expected latest, period:DATE or random")
    return spec
