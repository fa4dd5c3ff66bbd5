"""The served artefact: a folder with the ONNX networks, history, titles and a manifest that vouches for them.

Written to a temporary folder and renamed, so that it is there whole or not at all. Every file is checked
against the manifest when it is loaded: small ones by the SHA-256 of every byte, large ones by samples, so
that loading takes as long at any size; `python -m model.bundle` reads every byte.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.checksums import LARGE_FILE, hash_file, hash_manifest, hash_samples
from model.cli import Parser, add_output_flags, print_result, run_command
from model.errors import ArtifactError, ArtifactIncompatibleError, ArtifactMissingError
from model.folders import replace_folder, staged_folder
from model.history import History
from model.nearest import NEAREST_USERS, NearestUsers, read_nearest_users
from model.progress import track_items
from model.quick import USER_SUMS, UserSums, read_user_sums
from model.store import read_history
from model.suggestions import find_nearest_path
from model.titles import Titles
from model.vectors import USER_VECTORS, StoredVectors, read_vectors

FORMAT_VERSION = 8
PROG = "python -m model.bundle"
MANIFEST = "manifest.json"
NETWORK = "model.onnx"
KNOWN_USERS_NETWORK = "known_users.onnx"
"""The network for users whose vectors are stored."""
HISTORY = "history"
TITLES = "titles.sqlite"

REQUIRED_KEYS = frozenset({
    "format_version", "created", "data_fingerprint", "features", "feature_names", "rating_scale",
    "training_config", "metrics", "library_versions", "self_test", "files", "samples", "digest",
})  # fmt: skip
"""What every manifest holds."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle."""

    path: Path
    manifest: dict[str, Any]
    history: History
    titles: Titles
    vectors: StoredVectors | None
    """None where the network has no encoder, or the history is not the one that it was exported with."""
    nearest_users: NearestUsers | None
    """None where listing them takes too long, or the history is not the one that it was exported with."""

    user_sums: UserSums | None
    """There whenever the nearest users are."""

    def require_unreplaced(self) -> None:
        """Make sure that what has been opened until now is all of this bundle.

        Raises:
            ArtifactIncompatibleError: if another bundle has taken its place in the meantime.
        """
        if read_manifest(self.path)["digest"] != self.manifest["digest"]:
            raise ArtifactIncompatibleError(
                f"the bundle at {self.path} was replaced while it was being loaded: load it again"
            )

    def with_history(self, history: History) -> "Bundle":
        """The same network with other ratings of the same catalogue, for which nothing is worked out yet."""
        return replace(self, history=history, vectors=None, nearest_users=None, user_sums=None)

    @property
    def known_users_path(self) -> Path:
        """The ONNX file for users whose vectors are stored."""
        return self.path / KNOWN_USERS_NETWORK

    @property
    def network_path(self) -> Path:
        """The ONNX file."""
        return self.path / NETWORK


def load_bundle(path: Path, *, every_byte: bool = False) -> Bundle:
    """Verify a bundle and map its arrays.

    Args:
        path: the bundle's folder.
        every_byte: whether to read large files whole too.

    Raises:
        ArtifactMissingError: if the folder, the manifest or a file it lists is missing.
        ArtifactIncompatibleError: if a file is changed, truncated or unlisted, or the format is another.
    """
    manifest = read_manifest(path)
    present = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()} - {MANIFEST}
    for name, digest in track_items(sorted(manifest["files"].items()), "checking the bundle", unit="files"):
        if name not in present:
            raise ArtifactMissingError(f"bundle file {path / name} is missing: export the bundle again")
        sampled = None if every_byte else manifest["samples"].get(name)
        same = hash_file(path / name) == digest if sampled is None else hash_samples(path / name) == sampled
        if not same:
            raise ArtifactIncompatibleError(
                f"bundle file {path / name} is not the one that was exported (its SHA-256 differs): "
                "export the bundle again"
            )
    if unlisted := sorted(present - set(manifest["files"])):
        raise ArtifactIncompatibleError(f"bundle file {path / unlisted[0]} is not listed in the manifest")
    history = read_history(path / HISTORY)
    bundle = Bundle(
        path=path,
        manifest=manifest,
        history=history,
        titles=Titles(path / TITLES),
        vectors=read_vectors(path) if USER_VECTORS in manifest["files"] else None,
        nearest_users=read_nearest_users(path) if NEAREST_USERS in manifest["files"] else None,
        user_sums=read_user_sums(path) if USER_SUMS in manifest["files"] else None,
    )
    bundle.require_unreplaced()
    return bundle


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a bundle's manifest.

    Args:
        path: the bundle's folder.

    Raises:
        ArtifactMissingError: if there is none.
        ArtifactIncompatibleError: if it is damaged or of another format version.
    """
    file = path / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        near = find_nearest_path(path)
        remedy = "run export.py" if near is None else f"did you mean {near}?"
        raise ArtifactMissingError(f"there is no bundle at {path}: {file} is missing; {remedy}") from error
    except ValueError as error:
        raise ArtifactIncompatibleError(f"{file} is damaged: {error}") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise ArtifactIncompatibleError(f"{file} has format version {version}: expected {FORMAT_VERSION}")
    if absent := sorted(REQUIRED_KEYS - set(manifest)):
        raise ArtifactIncompatibleError(f"{file} is incomplete: {', '.join(absent)} missing")
    if manifest["digest"] != hash_manifest(manifest):
        raise ArtifactIncompatibleError(f"{file} is not the one that was exported: its digest differs")
    return manifest


def write_bundle(path: Path, write_files: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Write a bundle: there whole afterwards, or not at all.

    Args:
        path: the bundle's folder; a bundle that is there already is replaced, anything else is refused.
        write_files: writes the networks, the history and the titles into the folder it is given, and returns
            the manifest without format version and hashes.

    Returns:
        The whole manifest.

    Raises:
        ArtifactError: if `path` holds something that is not a bundle.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise ArtifactError(
            f"{path} is there and is not a bundle: expected a new folder, an empty one or a bundle"
        )
    with staged_folder(path) as staged:
        manifest = write_files(staged)
        files = sorted(file for file in staged.rglob("*") if file.is_file())
        hashes = {
            file.relative_to(staged).as_posix(): hash_file(file)
            for file in track_items(files, "hashing the bundle", unit="files")
        }
        samples = {
            file.relative_to(staged).as_posix(): hash_samples(file)
            for file in files
            if file.stat().st_size >= LARGE_FILE
        }
        manifest = {"format_version": FORMAT_VERSION, **manifest, "files": hashes, "samples": samples}
        manifest["digest"] = hash_manifest(manifest)
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (staged / MANIFEST).write_text(text + "\n", encoding="utf-8")
        replace_folder(staged, path)
    return manifest


def main(argv: Sequence[str] | None = None) -> int:
    """Check every byte of a bundle: `python -m model.bundle BUNDLE`.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    parser = Parser(
        prog=PROG,
        description="Check every byte of a bundle against its manifest.",
        examples={"artifacts/bundle": "before it is deployed, or after it was copied"},
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder that export.py wrote")
    add_output_flags(parser, "what was checked")
    arguments = parser.parse_args(argv)

    def check() -> None:
        bundle = load_bundle(arguments.bundle, every_byte=True)
        n_files = len(bundle.manifest["files"])
        print_result(
            {"bundle": str(arguments.bundle), "files": n_files, "digest": bundle.manifest["digest"]},
            f"{arguments.bundle}: all of its {n_files} files are as exported",
            as_json=arguments.json,
        )

    return run_command(check, prog=PROG, verbose=arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
