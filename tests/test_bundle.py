"""A bundle is served whole and unchanged, or refused by the name of what is wrong."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders import Rated, make_history
from tiny_run import list_folder

from model import bundle, checksums
from model.bundle import (
    FORMAT_VERSION,
    KNOWN_USERS_NETWORK,
    MANIFEST,
    NETWORK,
    REQUIRED_KEYS,
    TITLES,
    load_bundle,
    main,
    read_manifest,
    write_bundle,
)
from model.checksums import hash_file
from model.errors import ArtifactError, ArtifactIncompatibleError, ArtifactMissingError
from model.history import History
from model.nearest import NEAREST_USERS
from model.quick import USER_SUMS
from model.serving.predictor import Predictor
from model.store import ARRAYS, read_history
from model.vectors import MOVIE_LINKS, MOVIE_TABLE, USER_PRIOR, USER_VECTORS

FILES = [
    NETWORK,
    KNOWN_USERS_NETWORK,
    USER_VECTORS,
    USER_PRIOR,
    MOVIE_TABLE,
    MOVIE_LINKS,
    NEAREST_USERS,
    USER_SUMS,
    TITLES,
    "history/scale.json",
]
FILES += [f"history/{name}.npy" for name in ARRAYS]


@pytest.fixture
def damaged(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(bundle_path, tmp_path / "bundle"))


def change_manifest(path: Path, **changes: Any) -> None:
    """Overwrite entries; None takes one out."""
    file = path / MANIFEST
    manifest = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    kept = {name: value for name, value in manifest.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def renew_manifest(path: Path, **changes: Any) -> None:
    """Overwrite entries and vouch for them, as another export would."""
    change_manifest(path, **changes)
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    change_manifest(path, digest=checksums.hash_manifest(manifest))


def write_minimal(folder: Path) -> dict[str, Any]:
    """Files of a bundle that only `write_bundle` and `read_manifest` look at."""
    (folder / NETWORK).write_bytes(b"network")
    (folder / "history").mkdir()
    (folder / "history" / "array.npy").write_bytes(b"array")
    return dict.fromkeys(REQUIRED_KEYS - {"format_version", "files", "samples"}, "something")


def test_load_bundle_gives_history_and_titles_when_intact(bundle_path: Path) -> None:
    """Everything that was exported is there, and every movie has its title."""
    loaded = load_bundle(bundle_path)
    assert loaded.history.n_ratings == loaded.manifest["metrics"]["train_rows"]
    assert loaded.history.n_movies == 40
    assert all(loaded.titles.find(range(40)))
    assert loaded.network_path == bundle_path / NETWORK
    assert sorted(loaded.manifest["files"]) == sorted(FILES)


def test_large_files_are_sampled_when_loaded_and_read_whole_when_asked(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A byte changed between two samples is noticed by the command, one at a file's end by every loading."""
    monkeypatch.setattr(checksums, "LARGE_FILE", 1_000)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 1)
    path = damaged / "history" / "user_movies.npy"
    manifest = read_manifest(damaged)
    manifest["samples"] = {"history/user_movies.npy": checksums.hash_samples(path)}
    change_manifest(damaged, samples=manifest["samples"], digest=checksums.hash_manifest(manifest))
    assert main([str(damaged)]) == 0
    assert "are as exported" in capsys.readouterr().out
    data = bytearray(path.read_bytes())
    data[(len(data) - 1) * 10 // 63 + 1] ^= 1
    path.write_bytes(data)
    assert load_bundle(damaged).history.n_users > 0
    assert main([str(damaged)]) == 2
    assert "user_movies.npy is not the one that was exported" in capsys.readouterr().err
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactIncompatibleError, match=r"user_movies.npy is not the one"):
        load_bundle(damaged)


def test_with_history_forgets_what_was_worked_out_when_ratings_are_others(bundle_path: Path) -> None:
    """Vectors and lists were made from the old ratings."""
    bundle = load_bundle(bundle_path)
    assert bundle.vectors is not None
    assert bundle.nearest_users is not None
    assert bundle.user_sums is not None
    other = make_history([Rated(1, 10, 3)])
    refreshed = bundle.with_history(other)
    assert refreshed.history is other
    assert refreshed.vectors is None
    assert refreshed.nearest_users is None
    assert refreshed.user_sums is None


@pytest.mark.parametrize("name", ["extra.txt", "history/extra.npy"])
def test_load_bundle_names_the_file_when_one_is_added(damaged: Path, name: str) -> None:
    """What nobody vouches for is not loaded."""
    (damaged / name).write_bytes(b"more")
    with pytest.raises(ArtifactIncompatibleError, match=f"{name} is not listed in the manifest"):
        load_bundle(damaged)


def test_load_bundle_names_the_manifest_when_it_is_missing(damaged: Path, tmp_path: Path) -> None:
    """Without a manifest there is no bundle; nor is there one in a place that is not there, or in a file."""
    (damaged / MANIFEST).unlink()
    file = tmp_path / "file"
    file.write_text("text")
    for path in (damaged, tmp_path / "nowhere", file):
        with pytest.raises(ArtifactMissingError, match=f"no bundle at {path}: .*{MANIFEST} is missing"):
            load_bundle(path)


@pytest.mark.parametrize("text", ["", "{", "\udcff"])
def test_load_bundle_names_the_manifest_when_it_is_no_json(damaged: Path, text: str) -> None:
    """Cut off, empty or not even text."""
    (damaged / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactIncompatibleError, match=f"{MANIFEST} is damaged"):
        load_bundle(damaged)


@pytest.mark.parametrize(("version", "shown"), [(0, "0"), (7, "7"), (9, "9"), ("8", "8"), (None, "None")])
def test_load_bundle_names_the_version_when_format_is_another(
    damaged: Path, version: object, shown: str
) -> None:
    """The message gives the version found and the one expected."""
    change_manifest(damaged, format_version=version)
    with pytest.raises(
        ArtifactIncompatibleError, match=f"{MANIFEST} has format version {shown}: expected {FORMAT_VERSION}"
    ):
        load_bundle(damaged)


def test_load_bundle_names_the_version_when_manifest_is_a_list(damaged: Path) -> None:
    """JSON of another shape has no version."""
    (damaged / MANIFEST).write_text("[]")
    with pytest.raises(ArtifactIncompatibleError, match="has format version None"):
        load_bundle(damaged)


@pytest.mark.parametrize("key", sorted(REQUIRED_KEYS - {"format_version"}))
def test_load_bundle_names_the_key_when_manifest_lacks_it(damaged: Path, key: str) -> None:
    """Every entry that the service and the next person need is there."""
    change_manifest(damaged, **{key: None})
    with pytest.raises(ArtifactIncompatibleError, match=f"{MANIFEST} is incomplete: {key} missing"):
        load_bundle(damaged)


@pytest.mark.parametrize(
    "change",
    [
        {"files": ["model.onnx"]},
        {"files": {}},
        {"self_test": {}},
        {"feature_names": ["foo"]},
        {"metrics": {}},
    ],
)
def test_load_bundle_refuses_the_manifest_when_an_entry_is_changed(
    damaged: Path, change: dict[str, object]
) -> None:
    """The manifest vouches for itself as well as for the other files."""
    change_manifest(damaged, **change)
    with pytest.raises(ArtifactIncompatibleError, match=f"{MANIFEST} is not the one that was exported"):
        load_bundle(damaged)


def test_write_bundle_vouches_for_every_file_when_done(tmp_path: Path) -> None:
    """The manifest has the SHA-256 of each file but itself, and is what the function returns."""
    manifest = write_bundle(tmp_path / "deep" / "bundle", write_minimal)
    path = tmp_path / "deep" / "bundle"
    # sha256 of b"network" and b"array"
    assert set(manifest["files"]) == {NETWORK, "history/array.npy"}
    assert manifest["files"][NETWORK] == hash_file(path / NETWORK)
    assert manifest["format_version"] == FORMAT_VERSION
    assert read_manifest(path) == manifest
    assert list_folder(path.parent) == ["bundle"]
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_write_bundle_leaves_nothing_when_interrupted(tmp_path: Path, error: type[BaseException]) -> None:
    """There is no half bundle, not even under another name."""

    def fail(folder: Path) -> dict[str, Any]:
        write_minimal(folder)
        raise error

    with pytest.raises(error):
        write_bundle(tmp_path / "bundle", fail)
    assert list_folder(tmp_path) == []


def test_write_bundle_keeps_the_old_one_when_interrupted(tmp_path: Path) -> None:
    """A bundle that is there stays as it was."""
    before = write_bundle(tmp_path / "bundle", write_minimal)

    def fail(folder: Path) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "bundle", fail)
    assert read_manifest(tmp_path / "bundle") == before
    assert list_folder(tmp_path) == ["bundle"]


def test_write_bundle_replaces_a_bundle_when_there_is_one(tmp_path: Path) -> None:
    """Nothing of the old one is left, and an empty folder is as good as none."""
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle", write_minimal)
    (tmp_path / "bundle" / "old.txt").write_text("old")
    write_bundle(tmp_path / "bundle", write_minimal)
    assert list_folder(tmp_path / "bundle") == ["history", MANIFEST, NETWORK]
    assert list_folder(tmp_path) == ["bundle"]


def test_write_bundle_is_refused_when_output_is_something_else(tmp_path: Path) -> None:
    """A folder of other things and a file are left alone, and nothing is computed first."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_text("cat")
    file = tmp_path / "file"
    file.write_text("text")

    def never(path: Path) -> dict[str, Any]:
        raise AssertionError("written before it was refused")

    for output in (folder, file):
        with pytest.raises(ArtifactError, match=f"{output.name} is there and is not a bundle"):
            write_bundle(output, never)
    assert list_folder(tmp_path) == ["file", "photos"]


def test_write_bundle_refuses_numbers_that_json_lacks_when_asked(tmp_path: Path) -> None:
    """A manifest with a NaN would be unreadable elsewhere."""
    with pytest.raises(ValueError, match="JSON"):
        write_bundle(tmp_path / "bundle", lambda folder: {**write_minimal(folder), "metrics": float("nan")})
    assert list_folder(tmp_path) == []


def test_load_bundle_is_refused_when_another_takes_its_place_meanwhile(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history of one bundle is never served with the manifest of another."""

    def replace_before_reading(folder: Path) -> History:
        renew_manifest(damaged, created="later")
        return read_history(folder)

    monkeypatch.setattr(bundle, "read_history", replace_before_reading)
    with pytest.raises(ArtifactIncompatibleError, match=f"{damaged} was replaced while it was being loaded"):
        load_bundle(damaged)
    monkeypatch.undo()
    loaded = load_bundle(damaged)
    renew_manifest(damaged, created="later still")
    with pytest.raises(ArtifactIncompatibleError, match="load it again"):
        Predictor(loaded)


def test_required_keys_are_those_of_an_exported_bundle_when_listed(bundle_path: Path) -> None:
    """An exported manifest has every required entry."""
    assert set(read_manifest(bundle_path)) >= bundle.REQUIRED_KEYS
