"""Whatever happens to a bundle's files, the service answers from what was exported or does not start.

The files are those of a bundle as exported, so that a new kind of file is covered without being listed here.
"""

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT
from tiny_run import change_training

from model import checksums
from model.bundle import MANIFEST, load_bundle, read_manifest
from model.checksums import hash_manifest
from model.errors import ArtifactError, ArtifactIncompatibleError
from model.table import Ratings

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def other_path(tiny_ratings: Ratings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another bundle of the same shape: trained from another seed on other stars."""
    from model.training.onnx_export import export_run
    from model.training.run import train_run

    turned = dataclasses.replace(tiny_ratings, stars=6 - tiny_ratings.stars)
    folder = tmp_path_factory.mktemp("other")
    train_run(turned, change_training(seed=9), folder / "run", say=lambda _line: None)
    export_run(folder / "run", folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(bundle_path, tmp_path / "bundle"))


def list_files(bundle: Path) -> list[str]:
    """Every file of a bundle, the manifest included."""
    return [*sorted(read_manifest(bundle)["files"]), MANIFEST]


def cut_off(share: float) -> Damage:
    """Keep this share of a file."""
    return lambda file: os.truncate(file, int(file.stat().st_size * share))


def flip_bit(file: Path) -> None:
    """Change one bit: the same one each time for the same file."""
    data = bytearray(file.read_bytes())
    chance = random.Random(file.name)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def grow(file: Path) -> None:
    """Add a byte."""
    file.write_bytes(file.read_bytes() + b"\0")


def turn_into_folder(file: Path) -> None:
    """Put an empty folder in its place."""
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Damage] = {
    "removed": Path.unlink,
    "emptied": cut_off(0),
    "halved": cut_off(0.5),
    "end lost": lambda file: os.truncate(file, file.stat().st_size - 2),
    "one bit flipped": flip_bit,
    "grown": grow,
    "a folder": turn_into_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_bundle_names_the_file_when_each_in_turn_is_damaged(copy: Path, damage: str) -> None:
    """One error that names the file, for every file of the bundle; undone, the bundle loads again."""
    for name in list_files(copy):
        file = copy / name
        whole = file.read_bytes()
        DAMAGES[damage](file)
        with pytest.raises(ArtifactError) as refused:
            load_bundle(copy)
        assert str(file) in str(refused.value), damage
        if file.is_dir():
            file.rmdir()
        file.write_bytes(whole)
    assert load_bundle(copy).history.n_ratings > 0


def test_load_bundle_names_the_file_when_each_in_turn_is_another_bundles(
    copy: Path, other_path: Path
) -> None:
    """A file that is sound in itself, from a bundle of the same shape, is refused; equal ones are no swap."""
    names = list_files(copy)
    assert list_files(other_path) == names
    n_swapped = 0
    for name in names:
        ours, theirs = (copy / name).read_bytes(), (other_path / name).read_bytes()
        if ours == theirs:
            continue
        n_swapped += 1
        (copy / name).write_bytes(theirs)
        with pytest.raises(ArtifactIncompatibleError) as refused:
            load_bundle(copy)
        # another manifest vouches for none of the files: the first that differs is named
        assert f"{copy}{os.sep}" in str(refused.value)
        assert name == MANIFEST or name in str(refused.value)
        (copy / name).write_bytes(ours)
    assert n_swapped >= 6  # networks, vectors, movie table, stars by user and by movie, manifest
    assert load_bundle(copy).history.n_ratings > 0


def test_load_bundle_refuses_every_mixture_when_half_the_files_are_another_bundles(
    bundle_path: Path, other_path: Path, tmp_path: Path
) -> None:
    """Twenty random mixtures, with either manifest, each refused by the name of a file."""
    chance = random.Random(5)
    differing = [
        name
        for name in list_files(bundle_path)
        if (bundle_path / name).read_bytes() != (other_path / name).read_bytes()
    ]
    for place in range(20):
        mixed = Path(shutil.copytree(bundle_path, tmp_path / str(place)))
        for name in chance.sample(differing, chance.randint(1, len(differing) - 1)):
            shutil.copyfile(other_path / name, mixed / name)
        with pytest.raises(ArtifactIncompatibleError, match=f"{mixed}/.* is not the one that was exported"):
            load_bundle(mixed)


def test_load_bundle_notices_the_same_damage_when_files_are_sampled(
    copy: Path, other_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large files are read in 64 pieces: lost, cut off, and another bundle's are noticed in those as well."""
    monkeypatch.setattr(checksums, "LARGE_FILE", 1_000)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 8)
    manifest = read_manifest(copy)
    manifest["samples"] = {
        name: checksums.hash_samples(copy / name)
        for name in manifest["files"]
        if (copy / name).stat().st_size >= checksums.LARGE_FILE
    }
    manifest["digest"] = hash_manifest(manifest)
    (copy / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert {"model.onnx", "user_vectors.npy", "history/user_codes.npy"} <= set(manifest["samples"])
    for name in manifest["samples"]:
        file = copy / name
        whole, theirs = file.read_bytes(), (other_path / name).read_bytes()
        for damage in ("removed", "emptied", "halved", "end lost", "grown"):
            DAMAGES[damage](file)
            with pytest.raises(ArtifactError, match=name):
                load_bundle(copy)
            file.write_bytes(whole)
        if theirs != whole:
            file.write_bytes(theirs)
            with pytest.raises(ArtifactIncompatibleError, match=name):
                load_bundle(copy)
            file.write_bytes(whole)
    assert load_bundle(copy).history.n_ratings > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage"),
    [("model.onnx", "one bit flipped"), ("history/user_days.npy", "removed"), (MANIFEST, "halved")],
)
def test_handler_does_not_start_when_a_file_is_damaged(copy: Path, name: str, damage: str) -> None:
    """Status 2 and one line that names the file, whoever imports it."""
    DAMAGES[damage](copy / name)
    finished = subprocess.run(
        [sys.executable, "-c", "import handler"],
        cwd=ROOT,
        env={**os.environ, "MODEL_BUNDLE": str(copy)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    [line] = finished.stderr.splitlines()
    assert finished.returncode == 2
    assert line.startswith("handler: error: ")
    assert str(copy / name) in line
