"""The variants of the ablation, and what the command prints of them."""

import itertools

import numpy as np
import pytest
from tiny_run import TINY_CONFIG

from benchmarks.ablation import build_tables, list_variants, main, measure_variants
from model.features import FULL_FEATURES, SEED_FEATURES
from model.splits import apply_split, parse_split
from model.table import Ratings


def test_variants_grow_from_seed_to_full_then_lose_one_part_each() -> None:
    """Each of the first five holds all of the one before; the others lack something of the full model."""
    growing, lacking = list_variants(32)[:6], list_variants(32)[6:]
    assert growing[0].names == SEED_FEATURES
    assert growing[0].n_samples == 0
    for before, after in itertools.pairwise(growing):
        assert set(before.names) <= set(after.names)
        assert (len(before.names), before.n_samples) < (len(after.names), after.n_samples)
    assert (growing[-1].names, growing[-1].n_samples) == (FULL_FEATURES, 32)
    for variant in lacking:
        assert set(variant.names) < set(FULL_FEATURES)
        assert variant.n_samples == 32


def test_variants_without_neighbours_or_eras_keep_nothing_of_them() -> None:
    """A part is out only if no feature tells of it."""
    by_description = {variant.description: variant.names for variant in list_variants(32)}
    neighbourly = ("neighbour", "distance", "closeness")
    assert not [name for name in by_description["full without neighbours"] if name.startswith(neighbourly)]
    assert not [name for name in by_description["full without eras"] if "era_" in name]
    assert not [
        name for name in by_description["full without days"] if name.startswith(("recent", "movie_age"))
    ]


def test_table_has_the_mean_over_seeds_of_every_variant(tiny_ratings: Ratings) -> None:
    """Every line counts all test rows; the buckets make up the whole; the table averages."""
    split = apply_split(tiny_ratings, parse_split("latest"), seed=1)
    lines = measure_variants(split, TINY_CONFIG)
    assert [line["variant"] for line in lines] == [variant.description for variant in list_variants(4)]
    for line in lines:
        buckets = [bucket for bucket in line["rmse_by_history_length"] if bucket["rows"]]
        assert sum(bucket["rows"] for bucket in buckets) == len(split.test)
        total = sum(bucket["rows"] * bucket["rmse"] ** 2 for bucket in buckets)
        assert np.sqrt(total / len(split.test)) == pytest.approx(line["rmse"])
    worse = [{**line, "rmse": line["rmse"] + 1} for line in lines]
    report = {"data": "tiny", "split": "latest", "train_rows": 1, "test_rows": 1, "runs": [lines, worse]}
    [table] = build_tables(report)
    for row, line in zip(table.rows, lines, strict=True):
        assert float(row[1]) == pytest.approx(line["rmse"] + 0.5, abs=6e-5)


def test_main_refuses_when_nothing_would_be_fitted(capsys: pytest.CaptureFixture[str]) -> None:
    """No fits have no mean."""
    with pytest.raises(SystemExit, match="2"):
        main(["--data", "x", "--seeds", "0"])
    assert "'0' is no number of fits: expected 1 or more" in capsys.readouterr().err


def test_main_refuses_when_data_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """One line names the path."""
    assert main(["--data", "no-such-folder"]) == 2
    assert "no-such-folder" in capsys.readouterr().err
