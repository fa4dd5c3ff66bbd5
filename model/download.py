"""Get real ratings: MovieLens from its publisher, the Netflix Prize by way of your own Kaggle account.

An archive appears whole or not at all, checked against the publisher's checksum. A download that broke off
goes on where it stopped. Archives need no unpacking: train.py reads them as they are.
"""

import argparse
import hashlib
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.cli import Parser, add_output_flags, print_result, run_command, say_aside
from model.errors import ConfigError, DataError
from model.outputs import check_output_folder
from model.prize import INSTRUCTIONS, FileCheck, check_prize
from model.progress import MEGABYTE, track_step
from model.transfer import fetch_file, fetch_text, forget_partial

PROG = "python -m model.download"
PRIZE = "netflix-prize"
PUBLISHER = "https://files.grouplens.org/datasets/movielens"
EXAMPLES = {
    "movielens-small --output data": "100,836 ratings, 1 MB: to try things out",
    "movielens-25m --output data": "25 million ratings, 262 MB",
    PRIZE: "how to get the Netflix Prize data",
    f"{PRIZE} --check netflix-prize": "whether all of it is there",
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """An archive of MovieLens ratings."""

    archive: str
    """Its file, without `.zip`."""
    readme: str
    """The file beside it that holds the terms of use."""
    size: str
    may_be_shared: bool
    """Whether the terms allow to pass the data on under the same terms."""


DATA_SETS = {
    "movielens-small": DataSet("ml-latest-small", "ml-latest-small-README.html", "100,836 ratings", True),
    "movielens-100k": DataSet("ml-100k", "ml-100k-README.txt", "100,000 ratings", False),
    "movielens-1m": DataSet("ml-1m", "ml-1m-README.txt", "1,000,209 ratings", False),
    "movielens-10m": DataSet("ml-10m", "ml-10m-README.html", "10,000,054 ratings", False),
    "movielens-20m": DataSet("ml-20m", "ml-20m-README.html", "20,000,263 ratings", True),
    "movielens-25m": DataSet("ml-25m", "ml-25m-README.html", "25,000,095 ratings", True),
    "movielens-32m": DataSet("ml-32m", "ml-32m-README.html", "32,000,204 ratings", True),
}
"""What can be fetched. The small one is renewed from time to time, so its number of ratings may grow."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def describe_terms(data_set: DataSet, publisher: str) -> str:
    """What to know before the download: whose data it is, what it may be used for, where the terms are."""
    sharing = (
        "passing it on under the same terms is allowed"
        if data_set.may_be_shared
        else "passing it on needs GroupLens' permission"
    )
    return (
        f"{data_set.archive}: {data_set.size}, collected by GroupLens, University of Minnesota.\n"
        "For research, with acknowledgement (Harper and Konstan, The MovieLens Datasets, 2015); "
        f"commercial use needs GroupLens' permission; {sharing}.\n"
        f"The terms that hold are in {publisher}/{data_set.readme}"
    )


def fetch_archive(data_set: DataSet, folder: Path, *, publisher: str, patience: float) -> dict[str, Any]:
    """Fetch an archive and put it in its place once it has proved whole.

    Args:
        data_set: which.
        folder: where to; made if it is not there.
        publisher: the address of the folder that holds the archive and its checksum.
        patience: seconds without a byte after which an attempt is given up.

    Returns:
        `archive` (its path), `bytes`, `md5` and `checked_against`: `publisher's MD5`, or `archive's CRC-32`
        where the publisher gives no checksum; `was_there` if nothing had to be fetched.

    Raises:
        ConfigError: if the folder cannot be made.
        DataError: if it cannot be fetched, or is not what the publisher has.
    """
    check_output_folder(folder)
    name = f"{data_set.archive}.zip"
    url, path = f"{publisher}/{name}", folder / name
    expected = _read_checksum(f"{url}.md5", patience)
    folder.mkdir(parents=True, exist_ok=True)
    was_there = path.exists()
    try:
        digest = _check_archive(path, expected, url) if was_there else ""
    except DataError:
        was_there = False  # another file, or an older one: the publisher's takes its place
    if not was_there:
        arrived = fetch_file(url, path, patience=patience)
        try:
            digest = _check_archive(arrived, expected, url)
        except DataError:
            forget_partial(path)  # going on from damaged bytes would not mend them
            raise
        arrived.replace(path)
        forget_partial(path)
    return {
        "archive": str(path),
        "bytes": path.stat().st_size,
        "md5": digest,
        "checked_against": "archive's CRC-32" if expected is None else "publisher's MD5",
        "was_there": was_there,
    }


def _read_checksum(url: str, patience: float) -> str | None:
    """The MD5 that the publisher gives, in either form of `md5sum`; None where there is none."""
    text = fetch_text(url, patience=patience)
    if text is None:
        return None
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if found is None:
        raise DataError(f"{url}: no MD5 in it, but {text[:60]!r}; expected 32 hexadecimal digits")
    return found[0].lower()


def _check_archive(path: Path, expected: str | None, url: str) -> str:
    """The archive's MD5, hexadecimal, after checking it and the checksums inside."""
    digest = hashlib.md5(usedforsecurity=False)
    with (
        path.open("rb") as stream,
        track_step("checking", total=path.stat().st_size / MEGABYTE, unit="MB") as step,
    ):
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
            step.advance(len(chunk) / MEGABYTE)
    if expected is not None and digest.hexdigest() != expected:
        raise DataError(
            f"{url}: what arrived has the MD5 {digest.hexdigest()}, the publisher's is {expected}: "
            "it is damaged, and nothing of it was kept; try again"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise DataError(f"{url}: what arrived is no whole zip archive ({error}); nothing was kept") from error
    if damaged is not None:
        raise DataError(f"{url}: {damaged} in it is damaged, and nothing of it was kept; try again")
    return digest.hexdigest()


def _run(arguments: argparse.Namespace) -> None:
    if arguments.dataset == PRIZE:
        if arguments.output is not None:
            raise ConfigError(f"{PRIZE} cannot be fetched for you; leave --output out to read how to get it")
        if arguments.check is None:
            print_result(
                {"dataset": PRIZE, "instructions": INSTRUCTIONS}, INSTRUCTIONS, as_json=arguments.json
            )
        else:
            _report_check(arguments.check, check_prize(arguments.check), as_json=arguments.json)
        return
    if arguments.check is not None:
        raise ConfigError(f"--check belongs to {PRIZE}: {arguments.dataset} is checked when it is fetched")
    if arguments.output is None:
        raise ConfigError(f"{arguments.dataset} needs --output FOLDER")
    data_set, publisher = DATA_SETS[arguments.dataset], arguments.publisher.rstrip("/")
    say_aside(describe_terms(data_set, publisher))
    facts = fetch_archive(data_set, arguments.output, publisher=publisher, patience=arguments.patience)
    size = f"{facts['bytes'] / MEGABYTE:,.1f} MB"
    how = "was there already" if facts["was_there"] else "fetched"
    text = (
        f"{facts['archive']}: {how}, {size}, whole by the {facts['checked_against']}\n"
        f"next: python train.py --data {facts['archive']}"
    )
    print_result({"dataset": arguments.dataset, **facts}, text, as_json=arguments.json)


def _report_check(path: Path, checks: Sequence[FileCheck], *, as_json: bool) -> None:
    """Print what was found, and end with status 2 where something that training needs is amiss.

    Raises:
        DataError: if so.
    """
    amiss = [check for check in checks if check.problem is not None]
    # a damaged list of pairs is amiss, but one may well do without either list
    failures = [check for check in amiss if check.is_needed or check.n_rows is not None]
    lines = []
    for check in checks:
        count = "-" if check.n_rows is None else f"{check.n_rows:,}"
        verdict = check.problem or "whole"
        if check.n_rows is None and not check.is_needed:
            verdict += ", and not needed for training"
        lines.append(f"  {check.name:<20} {count:>11} of {check.n_expected:>11,} {check.unit:<8} {verdict}")
    facts = {"data": str(path), "whole": not failures, "files": [asdict(check) for check in checks]}
    print_result(facts, "\n".join([str(path), *lines]), as_json=as_json)
    if failures:
        raise DataError(f"{path} is not whole: {'; '.join(f'{c.name}: {c.problem}' for c in failures)}")


def _parse_patience(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from error
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected more than 0 seconds")
    return seconds


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument(
        "dataset", choices=(*DATA_SETS, PRIZE), metavar="DATASET", help=f"{', '.join(DATA_SETS)} or {PRIZE}"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the archive goes")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="PATH",
        help=f"count the rows of the {PRIZE} files in this folder or archive",
    )
    parser.add_argument(
        "--publisher",
        default=PUBLISHER,
        metavar="URL",
        help="a mirror of the archives (default: %(default)s)",
    )
    parser.add_argument(
        "--patience",
        type=_parse_patience,
        default=30.0,
        metavar="SECONDS",
        help="without a byte, after which an attempt is given up (default: %(default)s)",
    )
    add_output_flags(parser, "what was fetched or found")
    return parser


if __name__ == "__main__":
    sys.exit(main())
