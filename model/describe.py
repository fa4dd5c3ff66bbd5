"""Say what a thing is: ratings somebody sent, a bundle found on a server, a run of last month."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.bundle import MANIFEST, load_bundle
from model.cli import Parser, add_output_flags, print_result, run_command
from model.dates import format_day
from model.errors import ArtifactIncompatibleError, ArtifactMissingError, ConfigError
from model.formats.choice import choose_movie_file, choose_rating_files
from model.formats.layout import Column
from model.formats.source import open_source
from model.portrait import portray_ratings
from model.ratings import read_ratings
from model.suggestions import suggest_path
from model.table import Origin
from model.training.runs import METRICS, is_run

PROG = "python -m model.describe"
EXAMPLES = {
    "--data ratings.csv": "ratings: their form, how many, of whom, when, how good",
    "--bundle artifacts/bundle": "a bundle: what it was trained on, how good it is, its files",
    "--run artifacts/runs/mine": "a run: its settings, its RMSE table, its report",
    "--data download/ --json": "the same as JSON",
}
REPORTS = ("report.html", "report.md")
_BAR = 30
"""Characters of the longest bar of the distribution."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def describe_data(path: Path) -> dict[str, Any]:
    """Read ratings and say what they are: whose form, which files, and what `portray_ratings` finds.

    Args:
        path: as for `model.ratings.read_ratings`.
    """
    with open_source(path) as source:
        files = choose_rating_files(source)
        movie_file = None if files.layout.has(Column.TITLE) else choose_movie_file(source, files)
        sizes = [member.n_bytes for member in files.members]
        form: dict[str, Any] = {
            "lines": files.layout.form,
            "files": len(files.members),
            "bytes": None if None in sizes else sum(size for size in sizes if size is not None),
            "movie_file": None if movie_file is None else movie_file[0].path.as_posix(),
        }
    ratings = read_ratings(path)
    facts = portray_ratings(ratings)
    return {"data": str(path), "format": {"origin": ratings.origin.value, **form}, **facts}


def describe_bundle(path: Path) -> dict[str, Any]:
    """Verify a bundle and say what it is.

    Args:
        path: the bundle's folder.
    """
    bundle = load_bundle(path)
    manifest, history = bundle.manifest, bundle.history
    sizes = {name: (path / name).stat().st_size for name in [MANIFEST, *sorted(manifest["files"])]}
    return {
        "bundle": str(path),
        **{
            key: manifest[key]
            for key in ("created", "format_version", "data_fingerprint", "features", "feature_names")
        },
        "rating_scale": manifest["rating_scale"],
        "users": history.n_users,
        "movies": history.n_movies,
        "ratings": history.n_ratings,
        "last_day": format_day(history.last_day),
        "split": manifest["metrics"].get("split"),
        "rmse": manifest["metrics"].get("rmse"),
        "library_versions": manifest["library_versions"],
        "bytes": sum(sizes.values()),
        "files": sizes,
    }


def describe_run(path: Path) -> dict[str, Any]:
    """Say what a run was asked for and what came of it.

    Args:
        path: the run's folder.

    Raises:
        ArtifactMissingError: if there is no finished run.
        ArtifactIncompatibleError: if a file of it is damaged.
    """
    if not is_run(path):
        raise ArtifactMissingError(
            f"{path} is not a finished run: expected {METRICS} and a checkpoint{suggest_path(path)}"
        )
    # torch takes seconds to import, and only runs need it
    from model.training.checkpoint import read_checkpoint  # ruff: ignore[import-outside-top-level]

    try:
        metrics = json.loads((path / METRICS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactIncompatibleError(f"{path / METRICS} is damaged: {error}") from error
    reports = [str(path / name) for name in REPORTS if (path / name).is_file()]
    config = read_checkpoint(path).config.to_json()
    return {"run": str(path), "config": config, "metrics": metrics, "reports": reports}


def format_data(facts: Mapping[str, Any]) -> str:
    """Lay out what `describe_data` found."""
    form, scale, catalogue = facts["format"], facts["scale"], facts["catalogue"]
    size = "" if form["bytes"] is None else f", {_format_size(form['bytes'])}"
    files = "1 file" if form["files"] == 1 else f"{form['files']:,} files"
    twice = f"; {facts['given_twice']:,} more were given twice" if facts["given_twice"] else ""
    most = max(facts["distribution"].values())
    origin = "CSV" if form["origin"] == Origin.OTHER.value else form["origin"]
    lines = {
        "format": f"{origin}, lines {form['lines']}",
        "files": f"{files}{size}" + (f"; movies from {form['movie_file']}" if form["movie_file"] else ""),
        "ratings": f"{facts['ratings']:,}, mean {facts['mean']:.3f}{twice}",
        "users": f"{facts['users']:,}, {_format_spread(facts['per_user'])}",
        "movies": f"{facts['movies']:,}, {_format_spread(facts['per_movie'])}",
        "catalogue": f"{catalogue['movies']:,} movies, {catalogue['with_title']:,} with a title and "
        f"{catalogue['with_year']:,} with a year",
        "eras": ", ".join(f"{name} {share:.1%}" for name, share in facts["eras"].items() if share),
        "dates": f"{facts['first_day']} to {facts['last_day']}",
        "scale": f"{scale['low']:g} to {scale['high']:g} in steps of {scale['step']:g}",
        "density": f"{facts['density']:.2%} of all pairs of these users and movies",
    }
    bars = [
        f"  {stars:>11}  {'#' * round(_BAR * share / most):<{_BAR}} {share:6.1%}"
        for stars, share in facts["distribution"].items()
    ]
    return "\n".join([facts["data"], *_align(lines.items()), "  stars", *bars])


def format_bundle(facts: Mapping[str, Any]) -> str:
    """Lay out what `describe_bundle` found."""
    scale = facts["rating_scale"]
    rmse = facts["rmse"] or {}
    lines = {
        "created": facts["created"],
        "format": f"version {facts['format_version']}",
        "fingerprint": facts["data_fingerprint"],
        "features": f"{facts['features']}, {len(facts['feature_names'])} columns",
        "history": f"{facts['ratings']:,} ratings of {facts['users']:,} users and {facts['movies']:,} movies"
        f", the last of {facts['last_day']}",
        "scale": f"{scale['low']:g} to {scale['high']:g} in steps of {scale['step']:g}",
        "RMSE": ", ".join(f"{name} {score:.4f}" for name, score in rmse.items()) or "not measured",
        "split": facts["split"],
        "made with": ", ".join(f"{name} {version}" for name, version in facts["library_versions"].items()),
        "files": f"{len(facts['files'])}, {_format_size(facts['bytes'])}; all are as exported",
    }
    files = [f"  {_format_size(size):>11}  {name}" for name, size in facts["files"].items()]
    return "\n".join([facts["bundle"], *_align(lines.items()), *files])


def format_run(facts: Mapping[str, Any]) -> str:
    """Lay out what `describe_run` found."""
    from model.training.evaluation import format_table  # ruff: ignore[import-outside-top-level]

    metrics = facts["metrics"]
    lines = {
        "trained on": f"{metrics['train_rows']:,} ratings of {metrics['users']:,} users and "
        f"{metrics['movies']:,} movies, in {metrics['training_seconds']:,.1f} s",
        "measured on": f"{metrics['test_rows']:,} ratings ({metrics['split']})",
        "fingerprint": metrics["data_fingerprint"],
        **{
            name: ", ".join(f"{key} {value}" for key, value in section.items())
            for name, section in facts["config"].items()
        },
        "report": ", ".join(facts["reports"]) or "none",
    }
    table = [format_table(metrics)] if "rmse" in metrics else []
    return "\n".join([facts["run"], *_align(lines.items()), *table])


def _run(arguments: argparse.Namespace) -> None:
    for flag in ("data", "bundle", "run"):
        if (path := getattr(arguments, flag)) is not None:
            _refuse_other_kind(path, flag)
    if arguments.data is not None:
        facts, layout = describe_data(arguments.data), format_data
    elif arguments.bundle is not None:
        facts, layout = describe_bundle(arguments.bundle), format_bundle
    else:
        facts, layout = describe_run(arguments.run), format_run
    print_result(facts, "" if arguments.json else layout(facts), as_json=arguments.json)


def _refuse_other_kind(path: Path, flag: str) -> None:
    """Name the flag that a bundle or a run is for, where it was given to another.

    Raises:
        ConfigError: if it was.
    """
    for kind, is_one in {"bundle": (path / MANIFEST).is_file(), "run": is_run(path)}.items():
        if is_one and kind != flag:
            raise ConfigError(f"{path} is a {kind}: use --{kind}")


def _align(lines: Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {name:<11}  {text}" for name, text in lines]


def _format_spread(spread: Mapping[str, float]) -> str:
    return (
        f"ratings each: {spread['fewest']:,} to {spread['most']:,}, median {spread['median']:,g}, "
        f"mean {spread['mean']:,.1f}"
    )


def _format_size(n_bytes: int) -> str:
    """A size as people read it.

    >>> _format_size(832), _format_size(2_100_000)
    ('832 B', '2.1 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} B"


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    thing = parser.add_mutually_exclusive_group(required=True)
    thing.add_argument("--data", type=Path, help="ratings: a file, folder or archive")
    thing.add_argument("--bundle", type=Path, help="the folder that export.py wrote")
    thing.add_argument("--run", type=Path, help="the folder that train.py wrote")
    add_output_flags(parser, "the facts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
