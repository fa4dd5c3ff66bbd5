"""The zip for Lambda: what is in it, that it is the same each time, and that it answers."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fresh_python import ROOT
from pythons import find_python, read_version

from deploy import build_zip
from deploy.build_zip import (
    LARGEST_UNZIPPED,
    check_size,
    compile_bytecode,
    install_packages,
    list_files,
    main,
    stage_sources,
    write_zip,
)
from deploy.dockerfile import list_copied, read_steps
from model.errors import ConfigError, DataError

THIS_PYTHON = read_version(sys.executable)


def fill(folder: Path, names: list[str]) -> Path:
    """Write files whose contents are their names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return folder


def test_zip_is_the_same_when_only_times_order_and_permissions_differ(tmp_path: Path) -> None:
    """Equal contents give equal bytes; another content gives others."""
    names = ["handler.py", "model/b.py", "model/a.py", "artifacts/bundle/model.onnx"]
    one, other = fill(tmp_path / "one", names), fill(tmp_path / "other", names[::-1])
    for path in other.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    digests = [write_zip(list_files(folder), tmp_path / f"{folder.name}.zip") for folder in (one, other)]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert digests[0] == digests[1]
    (one / "handler.py").write_text("# another\n")
    assert write_zip(list_files(one), tmp_path / "one.zip") != digests[0]


def test_zip_holds_readable_files_in_order_when_written(tmp_path: Path) -> None:
    """Names are sorted, and everybody may read: Lambda runs the function under a user of its own."""
    folder = fill(tmp_path / "task", ["b.py", "a/c.py", "a.py"])
    (folder / "b.py").chmod(0o600)
    write_zip(list_files(folder), tmp_path / "function.zip")
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        entries = archive.infolist()
        assert archive.read("a/c.py") == b"# a/c.py\n"
    assert [entry.filename for entry in entries] == ["a.py", "a/c.py", "b.py"]
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_zip_stays_as_it_was_when_a_file_cannot_be_read(tmp_path: Path) -> None:
    """A build that fails leaves the zip from before, and nothing else."""
    (tmp_path / "function.zip").write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        write_zip({"gone.py": tmp_path / "gone.py"}, tmp_path / "function.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["function.zip"]
    assert (tmp_path / "function.zip").read_bytes() == b"before"


def test_list_files_leaves_out_what_tells_of_the_machine_when_listing(tmp_path: Path) -> None:
    """pip's records and bytecode of the builder's own Python stay out; licences and metadata go in."""
    info = "numpy-2.4.6.dist-info"
    folder = fill(
        tmp_path,
        [
            *("numpy/core.py", "numpy/__pycache__/core.cpython-311.pyc", f"{info}/METADATA"),
            *(f"{info}/RECORD", f"{info}/INSTALLER", f"{info}/REQUESTED", f"{info}/licenses/LICENSE.txt"),
        ],
    )
    kept = [f"{info}/METADATA", f"{info}/licenses/LICENSE.txt", "numpy/core.py"]
    assert list(list_files(folder)) == kept
    with_bytecode = [*kept[:2], "numpy/__pycache__/core.cpython-311.pyc", "numpy/core.py"]
    assert list(list_files(folder, with_bytecode=True)) == with_bytecode


def test_check_size_names_the_largest_when_lambda_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """262,144,000 bytes are allowed; with one more, what takes most is named first."""
    for name, size in {
        "numpy/a.so": 3_000_000,
        "numpy/b.so": 4_000_000,
        "onnxruntime/c.so": 6_000_000,
    }.items():
        path = fill(tmp_path, [name]) / name
        path.write_bytes(bytes(size))
    files = list_files(tmp_path)
    assert LARGEST_UNZIPPED == 250 * 1024 * 1024
    monkeypatch.setattr(build_zip, "LARGEST_UNZIPPED", 13_000_000)
    assert check_size(files) == 13_000_000
    monkeypatch.setattr(build_zip, "LARGEST_UNZIPPED", 12_999_999)
    with pytest.raises(DataError, match=r"numpy 7\.0 MB, onnxruntime 6\.0 MB"):
        check_size(files)


def test_stage_sources_copies_what_the_image_copies_when_asked(tmp_path: Path, bundle_path: Path) -> None:
    """The function's folder holds every source of the Dockerfile's COPY steps but the list of pins."""
    stage_sources(tmp_path, root=ROOT, bundle=bundle_path)
    expected = set(list_copied(read_steps(ROOT / "Dockerfile"))) - {"constraints/serve.txt"}
    assert {name for name in expected if not (tmp_path / name).exists()} == set()
    files = set(list_files(tmp_path))
    assert {
        name for name in files if not any(f"{name}/".startswith(f"{each}/") for each in expected)
    } == set()
    assert (tmp_path / "artifacts/bundle/manifest.json").read_bytes() == (
        bundle_path / "manifest.json"
    ).read_bytes()


def test_stage_sources_names_the_file_when_the_dockerfile_copies_what_is_not_there(
    tmp_path: Path, bundle_path: Path
) -> None:
    """A Dockerfile that has fallen behind is found here, not at the first cold start."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM public.ecr.aws/lambda/python:3.13\nCOPY gone.py /var/task/\n")
    with pytest.raises(DataError, match=r"copies gone\.py"):
        stage_sources(tmp_path / "task", root=root, bundle=bundle_path)


def test_bytecode_is_the_same_and_never_checked_against_sources_when_compiled_twice(tmp_path: Path) -> None:
    """Two folders compile to equal bytes; each says `unchecked`, so that unpacked times do not matter."""
    compiled = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "module.py").write_text("NAMES = {'a', 'b', 'c'}\ndef f(x): return x in {'d', 'e', 'f'}\n")
        compile_bytecode(folder, python=sys.executable, python_version=THIS_PYTHON)
        [path] = folder.rglob("*.pyc")
        compiled.append(path.read_bytes())
    assert compiled[0] == compiled[1]
    assert int.from_bytes(compiled[0][4:8], "little") == 0b01
    assert b"/var/task/module.py" in compiled[0]


@pytest.mark.parametrize(
    ("python", "complaint"), [("no-such-python", "cannot be run"), (sys.executable, "the function runs 3.99")]
)
def test_bytecode_is_refused_when_the_interpreter_is_another(
    tmp_path: Path, python: str, complaint: str
) -> None:
    """Bytecode of another Python would lie unused in the zip."""
    with pytest.raises(ConfigError, match=complaint):
        compile_bytecode(tmp_path, python=python, python_version="3.99")


def test_bytecode_is_refused_when_a_module_does_not_compile(tmp_path: Path) -> None:
    """A module with a wrong line is named."""
    (tmp_path / "module.py").write_text("def\n")
    with pytest.raises(DataError, match=r"module\.py"):
        compile_bytecode(tmp_path, python=sys.executable, python_version=THIS_PYTHON)


def test_install_packages_hands_on_the_complaint_when_pip_fails(tmp_path: Path) -> None:
    """What pip says last is in the error."""
    (tmp_path / "pins.txt").write_text("two words==1\n")
    with pytest.raises(DataError, match="pip could not install"):
        install_packages(tmp_path / "task", pins=tmp_path / "pins.txt", python_version="3.13")


def test_command_ends_with_one_line_when_the_bundle_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is installed for a bundle that is not there, and nothing written."""
    output = tmp_path / "function.zip"
    assert main(["--bundle", str(tmp_path / "none"), "--output", str(output)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m deploy.build_zip: error: ")
    assert str(tmp_path / "none") in line
    assert list(tmp_path.iterdir()) == []


def test_command_says_what_it_built_when_all_goes_well(
    tmp_path: Path, bundle_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words with the name for S3, and as JSON alone with --json; --verbose tells the steps aside."""

    def install_nothing(folder: Path, *, pins: Path, python_version: str) -> None:
        assert (pins.is_file(), python_version) == (True, "3.13")
        fill(folder, ["numpy/core.py"])

    monkeypatch.setattr(build_zip, "install_packages", install_nothing)
    output = tmp_path / "function.zip"
    command = ["--bundle", str(bundle_path), "--output", str(output)]
    assert main(command) == 0
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    wrote, name = capsys.readouterr().out.splitlines()
    assert wrote.startswith(f"wrote {output}: {output.stat().st_size / 1e6:.1f} MB, ")
    assert wrote.endswith(" MB unzipped, for Python 3.13 on x86_64")
    assert name == f"a name for it in S3: recommender-{digest[:16]}.zip"

    assert main([*command, "--json", "--verbose"]) == 0
    facts, told = capsys.readouterr()
    with zipfile.ZipFile(output) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
        assert "numpy/core.py" in archive.namelist()
    assert (
        json.loads(facts)
        == {
            "zip": str(output),
            "bytes": output.stat().st_size,
            "bytes_unzipped": unzipped,
            "python": "3.13",
            "sha256": digest,  # the same files again
            "name_in_s3": f"recommender-{digest[:16]}.zip",
        }
    )
    assert [line.split(":")[0] for line in told.splitlines()] == [
        "checking the bundle",
        "copying the service and the bundle",
        "installing packages",
        "zipping",
    ]


REPORT = """
import json, sys
sys.path.insert(0, ".")
import handler
print(json.dumps({
    "answer": handler.handler({"user_id": 1, "movie_id": 2}, None),
    "files": [module.__file__ for name, module in sys.modules.items()
              if name.partition(".")[0] in {"model", "handler", "numpy", "onnxruntime", "fastapi", "mangum"}
              and getattr(module, "__file__", None)],
}))
"""


@pytest.mark.slow
def test_zip_answers_and_stays_small_when_unpacked_alone(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real zip, unpacked into a fresh folder: an event is answered with nothing else to import from."""
    python = find_python()
    stage_sources(tmp_path / "staged", root=ROOT, bundle=bundle_path)
    install_packages(
        tmp_path / "staged", pins=ROOT / "constraints" / "serve.txt", python_version=read_version(python)
    )
    files = list_files(tmp_path / "staged")
    unzipped = check_size(files)
    write_zip(files, tmp_path / "function.zip")
    task = tmp_path / "task"
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        archive.extractall(task)

    finished = subprocess.run(
        [python, "-I", "-S", "-B", "-c", REPORT],
        cwd=task,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert 0.5 <= report["answer"]["predicted_rating"] <= 5
    assert all((task / file).resolve().is_relative_to(task.resolve()) for file in report["files"])
    with capsys.disabled():
        print(  # ruff: ignore[print] - the size is the report
            f"\nzip: {(tmp_path / 'function.zip').stat().st_size / 1e6:.1f} MB, "
            f"{unzipped / 1e6:.1f} MB unzipped"
        )
