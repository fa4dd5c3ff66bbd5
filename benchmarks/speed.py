"""What everything costs, each beside what bounds it: ratios first, absolute figures after."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.apart import read_peak_memory
from benchmarks.costs import (
    PEER,
    draw_pairs,
    measure_bulk,
    measure_cold_start,
    measure_neighbours,
    measure_serving,
)
from benchmarks.methods import require_packages
from benchmarks.ours import default_config
from benchmarks.reading import measure_reading
from benchmarks.sizes import build_size_table, draw_plot, measure_size, require_plot
from benchmarks.tables import (
    Table,
    add_report_flags,
    describe_machine,
    format_number,
    print_report,
    require_writable,
    write_report,
)
from model.bundle import load_bundle
from model.cli import Parser, run_command
from model.errors import ConfigError
from model.history import build_history
from model.large_synthetic import LargeConfig
from model.progress import track_items
from model.ratings import read_ratings
from model.training.onnx_export import export_run
from model.training.run import train_run

PROG = "python -m benchmarks.speed"
EXAMPLES = {
    "--data ratings.csv": "all but the curves",
    "--data ratings.csv --no-peer --sizes 1e5,1e6,1e7 --plot scale.png": "curves of made-up data too",
    "--bundle artifacts/bundle --json": "serving a bundle that is there already; the figures as JSON",
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


def build_tables(report: dict[str, Any]) -> list[Table]:
    """Lay a report out: ratios first, then absolute figures, then the curves."""
    ratios, figures = [], []
    if "serving" in report:
        serving, cold, bulk = report["serving"], report["cold_start"], report["bulk"]
        ratios += [
            ["warm prediction, p50, over an empty route", _ratio(serving, "predict", "empty", "p50_ms")],
            ["the same, each in a loop of its own", _ratio(serving, "predict", "empty", "alone_p50_ms")],
            ["cold start over bare imports", format_number(cold["cold"] / cold["bare"], 2)],
        ]
        figures += [
            *(
                [f"{what}, {quantile[:3]}", f"{format_number(serving[name][quantile], 2)} ms"]
                for name, what in (
                    ("empty", "empty route"),
                    ("constant", "route that reads the same request, constant answer"),
                    ("network", "network alone"),
                    ("predict", "warm prediction, HTTP event"),
                    ("direct", "warm prediction, direct invocation"),
                )
                for quantile in ("p50_ms", "p99_ms")
            ),
            ["bare imports", f"{format_number(cold['bare'], 2)} s"],
            ["process start to first answer", f"{format_number(cold['cold'], 2)} s"],
            ["scored", f"{bulk['scored_pairs_per_s']:,.0f} pairs/s"],
        ]
        if "recommend_p50_ms" in bulk:
            figures += [
                [f"100 recommendations, {quantile}", f"{bulk[f'recommend_{quantile}_ms']:.1f} ms"]
                for quantile in ("p50", "p99")
            ]
    if "neighbours" in report:
        neighbours = report["neighbours"]
        figures.append(["neighbours", f"{neighbours['rows_per_s']:,.0f} rows/s"])
        if "peer_rows_per_s" in neighbours:
            ratio = neighbours["rows_per_s"] / neighbours["peer_rows_per_s"]
            ratios.append(["neighbours over scikit-surprise's user-kNN", format_number(ratio, 1)])
            figures.append(["scikit-surprise's user-kNN", f"{neighbours['peer_rows_per_s']:,.0f} rows/s"])
    if "reading" in report:
        reading = report["reading"]
        ratio = reading["read_s"] / reading["raw_s"]
        ratios.append(["reading over reading the bytes alone", format_number(ratio, 1)])
        speed = reading["ratings"] / (reading["read_s"] + reading["index_s"])
        figures += [
            ["reading and indexing", f"{speed:,.0f} ratings/s"],
            ["peak memory of that", f"{reading['peak_mb']:,.0f} MB"],
            ["keeping them as arrays", f"{format_number(reading['keep_s'], 2)} s"],
            ["opening the arrays", f"{format_number(reading['open_s'], 3)} s"],
            ["the same, every byte checked", f"{format_number(reading['check_s'], 3)} s"],
        ]
    tables = [
        Table(f"{report['data']}: ratios", ["", "ratio"], ratios),
        Table(f"{report['data']}: {report['ratings']:,} ratings", ["", "figure"], figures),
    ]
    if report["sizes"]:
        tables.append(build_size_table(report["sizes"]))
    return [table for table in tables if table.rows]


def _ratio(report: dict[str, dict[str, float]], name: str, bound: str, figure: str) -> str:
    return format_number(report[name][figure] / report[bound][figure], 2)


def _measure(parts: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Take some measurements, one after the other; by name."""
    return {name: measure() for name, measure in track_items(parts.items(), "measuring", unit="parts")}


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what would only be found wrong after minutes of measuring."""
    if not (arguments.data or arguments.bundle or arguments.sizes):
        raise ConfigError("nothing to measure: expected --data, --bundle or --sizes, or several of them")
    for path in (arguments.json, arguments.markdown, arguments.plot):
        require_writable(path)
    if arguments.plot and not arguments.sizes:
        raise ConfigError("--plot draws the curves: expected --sizes with it")
    if arguments.plot:
        require_plot(arguments.plot)
    if arguments.data and not arguments.no_peer:
        require_packages([PEER])


def _run(arguments: argparse.Namespace) -> None:
    _check(arguments)
    report: dict[str, Any] = {**describe_machine(), "data": "made-up data", "ratings": 0, "sizes": []}
    with tempfile.TemporaryDirectory(prefix="speed-", dir=arguments.scratch) as scratch:
        bundle = arguments.bundle
        if arguments.data:
            ratings = read_ratings(arguments.data)
            if bundle is None:
                draw_pairs(
                    build_history(ratings), 1, seed=1
                )  # whether there are any, before minutes of training
            report |= {"data": arguments.data.resolve().name, "ratings": len(ratings)}
            report |= _measure({
                "reading": lambda: measure_reading(arguments.data, Path(scratch) / "store"),
                "neighbours": lambda: measure_neighbours(ratings, with_peer=not arguments.no_peer),
            })
            if bundle is None:
                run = Path(scratch) / "run"
                train_run(ratings, default_config("full", seed=1), run, say=lambda _line: None)
                bundle = Path(scratch) / "bundle"
                export_run(run, bundle)
        if bundle is not None:
            loaded = load_bundle(bundle)
            report["ratings"] = report["ratings"] or loaded.history.n_ratings
            report |= _measure({
                "serving": lambda: measure_serving(loaded),
                "cold_start": lambda: measure_cold_start(loaded),
                "bulk": lambda: measure_bulk(loaded),
            })
        for size in track_items(arguments.sizes, "measuring", unit="sizes"):
            report["sizes"].append(measure_size(size, arguments.scratch or Path(scratch)))
    report["peak_mb"] = read_peak_memory()
    tables = build_tables(report)
    write_report(report, tables, as_json=arguments.json, as_markdown=arguments.markdown)
    if arguments.plot:
        draw_plot(report["sizes"], arguments.plot)
    print_report(report, tables, as_json=arguments.json)


def _parse_sizes(text: str) -> list[int]:
    try:
        sizes = [float(part) for part in text.split(",")]
        return [LargeConfig.of_size(int(size)).n_ratings for size in sizes]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected sizes by commas, such as 1e5,1e6") from error


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--data", type=Path, help="ratings: a file, folder or archive")
    parser.add_argument("--bundle", type=Path, help="serve this one instead of training on --data")
    parser.add_argument("--no-peer", action="store_true", help="leave scikit-surprise out")
    parser.add_argument(
        "--sizes", type=_parse_sizes, default=[], help="sizes of made-up data for the curves, by commas"
    )
    parser.add_argument("--scratch", type=Path, help="a folder to keep the made-up data in")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves here")
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
