"""The service as a zip for AWS Lambda: the same files as in the image, for Lambda's platform, reproducibly.

    python -m deploy.build_zip --bundle artifacts/bundle --output artifacts/function.zip

What goes in is what the Dockerfile copies and installs. The same inputs give the same bytes: names are
sorted, times and permissions fixed, and what pip writes about this machine is left out.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.dockerfile import BUNDLE, PINS, find_python_version, list_copied, read_steps
from model.bundle import load_bundle
from model.cli import Parser, add_output_flags, print_result, run_command
from model.errors import ConfigError, DataError
from model.progress import track_items, track_step

PROG: Final = "python -m deploy.build_zip"
DEFAULT_OUTPUT: Final = Path("artifacts/function.zip")
EXAMPLES: Final = {
    "": f"{BUNDLE}, to {DEFAULT_OUTPUT}",
    "--bundle artifacts/bundles/mine --output mine.zip --json": "a certain bundle; the outcome as JSON",
    "--compile-with python3.13": "with bytecode: larger, and ready sooner at a cold start",
}
ROOT: Final = Path(__file__).resolve().parents[1]

LARGEST_UNZIPPED: Final = 262_144_000
"""Bytes that Lambda allows a zip function to have unpacked."""
LARGEST_UPLOADED: Final = 52_428_800
"""Bytes that Lambda's own API takes; a larger zip goes by way of S3."""

PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
"""What wheels may be built for: Lambda runs Python 3.12 and later on Amazon Linux 2023, with glibc 2.34."""

TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks the zip."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name."""
_UNIX: Final = 3
_READABLE: Final = 0o100644 << 16
_MACHINES_OWN: Final = ("__pycache__", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Written by pip about this machine, or compiled by its Python."""


def stage_sources(folder: Path, *, root: Path, bundle: Path) -> None:
    """Copy what the Dockerfile copies, its list of pins left out.

    Args:
        folder: stands for the function's root.
        root: the repository.
        bundle: taken for the Dockerfile's artifacts/bundle.

    Raises:
        ArtifactError: if the bundle is not whole.
        DataError: if a file that the Dockerfile names is not there.
    """
    load_bundle(bundle, every_byte=True)
    names = list_copied(read_steps(root / "Dockerfile"))
    for name in track_items(names, "copying the service and the bundle", unit="entries"):
        source = bundle if name == BUNDLE else root / name
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == PINS:
            continue
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copyfile(source, target)
        else:
            raise DataError(f"the Dockerfile copies {name}, which is not in {root}")


def install_packages(folder: Path, *, pins: Path, python_version: str) -> None:
    """Install pinned packages for Lambda's platform, whatever this machine's is.

    Args:
        folder: the function's root.
        pins: every package with its exact version.
        python_version: such as "3.13".

    Raises:
        DataError: if pip fails; with its last lines.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-compile", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation=cp", f"--python-version={python_version}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [f"--target={folder}", f"--requirement={pins}"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise DataError(f"pip could not install {pins}: {' '.join(finished.stderr.splitlines()[-3:])}")
    shutil.rmtree(folder / "bin", ignore_errors=True)  # commands that name this machine's Python


def compile_bytecode(folder: Path, *, python: str, python_version: str) -> None:
    """Compile every module, so that the function need not at each cold start: its own folder is read-only.

    Args:
        folder: the function's root.
        python: an interpreter of the function's version, by name or path.
        python_version: that version.

    Raises:
        ConfigError: if the interpreter cannot be run or is of another version.
        DataError: if a module cannot be compiled.
    """
    ask = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it ends with status {error.returncode}"
        raise ConfigError(
            f"{python} cannot be run ({reason}): expected a Python {python_version}; without --compile-with "
            "none is needed"
        ) from error
    if found != python_version:
        raise ConfigError(f"{python} is Python {found}: the function runs {python_version}")
    command = [python, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", TASK_ROOT, str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # the order of sets is part of the bytecode
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if finished.returncode != 0:
        raise DataError(f"a module cannot be compiled: {finished.stdout.strip()}")


def list_files(folder: Path, *, with_bytecode: bool = False) -> dict[str, Path]:
    """List the files that are to be zipped, by name, in order.

    Args:
        folder: the function's root.
        with_bytecode: whether compiled modules belong to it.
    """
    left_out = _MACHINES_OWN[1:] if with_bytecode else _MACHINES_OWN
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: names[name] for name in sorted(names) if not set(name.split("/")) & set(left_out)}


def check_size(files: dict[str, Path]) -> int:
    """Add up what Lambda will unpack.

    Args:
        files: by name.

    Returns:
        Bytes.

    Raises:
        DataError: if it is more than Lambda allows; names what takes most.
    """
    sizes: Counter[str] = Counter()
    for name, path in files.items():
        sizes[name.partition("/")[0]] += path.stat().st_size
    total = sizes.total()
    if total > LARGEST_UNZIPPED:
        largest = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.most_common(5))
        raise DataError(
            f"unzipped it is {total:,} bytes, and Lambda allows {LARGEST_UNZIPPED:,}: {largest}. "
            "A container image may have 10 GB"
        )
    return total


def write_zip(files: dict[str, Path], output: Path) -> str:
    """Zip files so that the same contents give the same bytes; the output is replaced whole or not at all.

    Args:
        files: by name, in order.
        output: the zip to be.

    Returns:
        Its SHA-256, in hexadecimal digits.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, path in track_items(files.items(), "zipping", unit="files"):
                    entry = zipfile.ZipInfo(name, _EPOCH)
                    entry.create_system = _UNIX
                    entry.external_attr = _READABLE
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, path.read_bytes())
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(output)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return digest


def build_zip(
    output: Path, *, bundle: Path, compile_with: str | None = None, root: Path = ROOT
) -> dict[str, Any]:
    """Build the zip.

    Args:
        output: the zip to be.
        bundle: what is to be served.
        compile_with: an interpreter of the function's version, to compile with; None for no bytecode.
        root: the repository.

    Returns:
        What came of it, as --json prints it.

    Raises:
        RatingModelError: if the bundle, the packages, the interpreter or the size will not do.
    """
    version = find_python_version(read_steps(root / "Dockerfile"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "task"
        folder.mkdir()
        stage_sources(folder, root=root, bundle=bundle)
        with track_step("installing packages"):
            install_packages(folder, pins=root / PINS, python_version=version)
        if compile_with is not None:
            with track_step("compiling"):
                compile_bytecode(folder, python=compile_with, python_version=version)
        files = list_files(folder, with_bytecode=compile_with is not None)
        unzipped = check_size(files)
        digest = write_zip(files, output)
    return {
        "zip": str(output),
        "bytes": output.stat().st_size,
        "bytes_unzipped": unzipped,
        "python": version,
        "sha256": digest,
        "name_in_s3": f"recommender-{digest[:16]}.zip",
    }


def format_zip(facts: Mapping[str, Any]) -> str:
    """Lay out what `build_zip` returns."""
    zipped, unzipped = (f"{facts[key] / 1e6:.1f} MB" for key in ("bytes", "bytes_unzipped"))
    lines = [
        f"wrote {facts['zip']}: {zipped}, {unzipped} unzipped, for Python {facts['python']} on x86_64",
        f"a name for it in S3: {facts['name_in_s3']}",
    ]
    if facts["bytes"] > LARGEST_UPLOADED:
        lines.append("it is too large to be uploaded to Lambda directly; from S3 it is not")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the zip.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)

    def build() -> None:
        facts = build_zip(arguments.output, bundle=arguments.bundle, compile_with=arguments.compile_with)
        print_result(facts, format_zip(facts), as_json=arguments.json)

    return run_command(build, prog=PROG, verbose=arguments.verbose)


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description="Zip the service and a bundle for AWS Lambda.", examples=EXAMPLES)
    parser.add_argument(
        "--bundle",
        type=Path,
        default=ROOT / BUNDLE,
        help=f"the folder that export.py wrote (default: {BUNDLE})",
    )
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, help="the zip to write (default: %(default)s)"
    )
    parser.add_argument(
        "--compile-with",
        metavar="PYTHON",
        help="an interpreter of the function's Python, such as python3.13: cold starts then compile nothing",
    )
    add_output_flags(parser, "what was built")
    return parser


if __name__ == "__main__":
    sys.exit(main())
