"""What the benchmarks run on: ratings that are named, or the built-in ones."""

import importlib
import json
from pathlib import Path
from typing import NoReturn

import pytest
from tiny_run import TINY_DATA

from benchmarks import accuracy, data
from benchmarks.data import find_data, parse_measured_split
from model.errors import ConfigError, DataError
from model.ratings import read_ratings
from model.splits import SplitMethod, apply_split
from model.synthetic import BUILT_IN, lowest_rmse, read_truth


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and little built-in data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "SyntheticConfig", lambda: TINY_DATA)


@pytest.mark.usefixtures("_elsewhere")
def test_find_data_writes_the_built_in_data_when_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Where train.py writes it; said on standard error, since reports go to standard output."""
    assert find_data(None) == BUILT_IN
    assert len(read_ratings(BUILT_IN)) == TINY_DATA.n_ratings
    assert capsys.readouterr() == ("", f"writing the built-in data to {BUILT_IN}\n")


@pytest.mark.usefixtures("_elsewhere")
def test_find_data_writes_nothing_when_data_is_named(tmp_path: Path) -> None:
    """Not even where it does not exist."""
    assert find_data(Path("mine.csv")) == Path("mine.csv")
    assert list(tmp_path.iterdir()) == []


def test_parse_measured_split_refuses_none_when_asked() -> None:
    """There would be nothing to measure on; other splits pass."""
    with pytest.raises(ConfigError, match=r"'none' leaves no test rows: expected latest, period"):
        parse_measured_split("none")
    assert parse_measured_split("random").method is SplitMethod.RANDOM


@pytest.mark.parametrize("name", ["ablation", "accuracy"])
@pytest.mark.usefixtures("_elsewhere")
def test_command_refuses_at_once_when_nothing_would_be_tested(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any data is written or read, in one line."""
    flags = ["--peers", "biases"] if name == "accuracy" else []
    assert importlib.import_module(f"benchmarks.{name}").main([*flags, "--split", "none"]) == 2
    error = capsys.readouterr().err
    assert "leaves no test rows" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flags"),
    [("ablation", []), ("cold", []), ("rolling", ["--split", "period:2005-01-01"])],
)
@pytest.mark.usefixtures("_elsewhere")
def test_command_reads_the_built_in_data_when_none_is_named(
    name: str, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As train.py does."""

    def complain(path: Path) -> NoReturn:
        raise DataError(f"was asked to read {path}, {len(read_ratings(path))} ratings")

    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(module, "read_ratings", complain)
    assert module.main(flags) == 2
    assert f"was asked to read {BUILT_IN}, {TINY_DATA.n_ratings} ratings" in capsys.readouterr().err


@pytest.mark.usefixtures("_elsewhere")
def test_accuracy_ends_with_the_noise_when_the_data_is_built_in(capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line is the lowest RMSE that anybody could expect on the same rows, also among the figures."""
    assert accuracy.main(["--peers", "biases", "--json", "a.json"]) == 0
    split = apply_split(read_ratings(BUILT_IN), parse_measured_split("latest"), seed=1)
    truth = read_truth(BUILT_IN)
    assert truth is not None
    expected = lowest_rmse(truth, split.test)
    report = json.loads(Path("a.json").read_text(encoding="utf-8"))
    assert report["lowest_rmse"] == pytest.approx(expected)
    assert expected < report["methods"]["biases"]["rmse"]
    last = capsys.readouterr().out.split("\n\n")[0].splitlines()[-1]
    assert last.startswith("lowest that anybody could expect ")
    assert f" {expected:.4f} " in last
