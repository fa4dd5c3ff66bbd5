"""The curves of made-up data: what is measured, laid out and drawn. Never how fast anything is."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.sizes import build_size_table, draw_plot, measure_size, require_plot
from model.errors import ConfigError
from model.large_synthetic import LEAST_SIZE

LINE = {
    "ratings": 1e5,
    "read_s": 1.0,
    "index_s": 0.5,
    "keep_s": 0.25,
    "open_s": 0.0625,
    "check_s": 0.375,
    "peak_mb": 99.0,
    "neighbours_ms_a_user": 0.25,
    "prediction_p50_ms": 0.75,
    "prediction_p99_ms": 1.75,
}


@pytest.mark.parametrize("n_ratings", [LEAST_SIZE, 20_000])
def test_size_is_made_up_and_measured(
    n_ratings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The made-up data is kept where it was asked to be, and nothing else."""
    monkeypatch.chdir(tmp_path)
    report = measure_size(n_ratings, Path())
    assert report.keys() >= LINE.keys()
    assert report["ratings"] == n_ratings
    assert report["neighbours_ms_a_user"] > 0
    assert 0 < report["prediction_p50_ms"] <= report["prediction_p99_ms"]
    assert [path.name for path in tmp_path.iterdir()] == [f"made-up-{n_ratings}"]


def test_table_has_a_row_for_each_size() -> None:
    """Seconds, megabytes and milliseconds, rounded to what can be told apart."""
    table = build_size_table([LINE])
    row = ["100,000", "1.00", "0.50", "0.25", "0.06", "0.38", "99", "0.25", "0.75", "1.75"]
    assert list(table.rows) == [row]
    assert len(table.heads) == len(row)


def test_plot_is_drawn_when_curves_are_measured(tmp_path: Path) -> None:
    """A picture of every cost."""
    pytest.importorskip("matplotlib")
    draw_plot([LINE, {**LINE, "ratings": 1e6}], tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert text.count("<path") > 8


@pytest.mark.parametrize("name", ["p.foo", "p", "p.svgz"])
def test_plot_is_refused_when_its_kind_is_unknown(name: str) -> None:
    """The message says which kinds there are."""
    with pytest.raises(ConfigError, match=rf"{name} cannot .* \.pdf, \.png, \.svg"):
        require_plot(Path(name))


def test_plot_is_refused_when_matplotlib_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra that has it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="matplotlib, which is not installed: install the extra benchmarks"):
        require_plot(Path("p.PNG"))
