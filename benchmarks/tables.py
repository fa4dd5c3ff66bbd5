"""Tables as text and as Markdown, and files that are there whole or not at all."""

import argparse
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.cli import add_verbose_flag
from model.outputs import check_output_file

PACKAGES = ("numpy", "torch", "pytorch-lightning", "onnxruntime", "scikit-surprise", "myfm", "scikit-learn")

STANDARD_OUTPUT = Path("-")
"""What --json stands for where no file follows it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells that are text already; the first column is aligned left, the others right."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def format_text(tables: Sequence[Table]) -> str:
    """Lay tables out for a terminal."""
    blocks = []
    for table in tables:
        lines = [table.heads, *table.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(table.heads))]
        laid_out = (
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )
        blocks.append("\n".join([table.title, *(line.rstrip() for line in laid_out)]))
    return "\n\n".join(blocks)


def format_markdown(tables: Sequence[Table]) -> str:
    """Lay tables out as Markdown."""
    blocks = []
    for table in tables:
        lines = [table.heads, ["---", *("---:" for _ in table.heads[1:])], *table.rows]
        blocks.append("\n".join([f"**{table.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def format_number(value: float | None, digits: int = 4) -> str:
    """A number with so many decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark has: --json, --markdown and --verbose."""
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=STANDARD_OUTPUT,
        metavar="FILE",
        help="print the figures as JSON, and nothing else, on standard output; or write them to FILE",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here as Markdown")
    add_verbose_flag(parser)


def parse_fits(text: str) -> int:
    """Read a flag that says how often to fit.

    Raises:
        argparse.ArgumentTypeError: if it is no whole number from 1 on.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of fits: expected 1 or more")
    return int(text)


def print_report(report: Mapping[str, Any], tables: Sequence[Table], *, as_json: Path | None) -> None:
    """Print the tables, or the figures where --json names no file for them."""
    print(json.dumps(report, allow_nan=False) if as_json == STANDARD_OUTPUT else format_text(tables))


def write_report(
    report: Mapping[str, Any], tables: Sequence[Table], *, as_json: Path | None, as_markdown: Path | None
) -> None:
    """Write a report to the files that were asked for.

    Args:
        report: the figures.
        tables: the same, laid out.
        as_json: where the figures go, if anywhere.
        as_markdown: where the tables go, if anywhere.
    """
    if as_json is not None and as_json != STANDARD_OUTPUT:
        _replace_text(as_json, json.dumps(report, indent=2, allow_nan=False) + "\n")
    if as_markdown is not None:
        _replace_text(as_markdown, format_markdown(tables))


def require_writable(path: Path | None) -> None:
    """Refuse a file that cannot be written before the work is done, not after.

    Raises:
        ConfigError: if it cannot be written.
    """
    if path is not None and path != STANDARD_OUTPUT:
        check_output_file(path)


def describe_machine() -> dict[str, Any]:
    """What the figures depend on beside the data: processors and versions."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # a peer that is not installed did not take part
    return {"cpu_count": len(os.sched_getaffinity(0)), "machine": platform.machine(), "versions": versions}


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
