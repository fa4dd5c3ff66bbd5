"""export.py as it is started."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT
from tiny_run import list_folder

import export
from model.bundle import load_bundle
from model.training import onnx_export


def test_export_takes_the_newest_run_when_started_without_flags(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two runs the later one becomes artifacts/bundle, and the largest difference is printed."""
    monkeypatch.chdir(tmp_path)
    for place, name in enumerate(["20250101-000000", "mine"]):
        run = Path(shutil.copytree(run_path, tmp_path / "artifacts" / "runs" / name))
        os.utime(run / "metrics.json", (place, place))
    assert export.main([]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("exported artifacts/runs/mine to artifacts/bundle (")
    assert second.startswith("torch and onnxruntime differ by at most ")
    difference = float(second.split()[7])
    assert difference < 1e-4
    manifest = load_bundle(tmp_path / "artifacts" / "bundle").manifest
    assert manifest["parity"]["largest_difference"] == pytest.approx(difference, rel=0.1)


def test_export_writes_where_it_is_told_when_flags_are_given(run_path: Path, tmp_path: Path) -> None:
    """The subprocess is quiet on standard error and ends with status 0."""
    ended = subprocess.run(
        [sys.executable, "export.py", "--run", run_path, "--output", tmp_path / "bundle"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 2
    metrics = json.loads((run_path / "metrics.json").read_text(encoding="utf-8"))
    assert load_bundle(tmp_path / "bundle").manifest["metrics"] == metrics
    assert list_folder(tmp_path) == ["bundle"]


def test_export_ends_with_status_2_and_one_line_when_there_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to do first; an unfinished folder is no run, whether it is named or found."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts" / "runs" / "unfinished").mkdir(parents=True)
    assert export.main([]) == 2
    assert capsys.readouterr().err == (
        "export.py: error: there is no finished run in artifacts/runs: run train.py first\n"
    )
    assert export.main(["--run", "artifacts/runs/unfinished"]) == 2
    error = capsys.readouterr().err
    assert "artifacts/runs/unfinished is not a finished run" in error
    assert error.count("\n") == 1
    assert export.main(["--run", "artifacts/run/unfinishd"]) == 2
    assert capsys.readouterr().err.endswith("in it; did you mean artifacts/runs/unfinished?\n")
    assert list_folder(tmp_path / "artifacts") == ["runs"]


def test_export_ends_with_status_2_and_one_line_when_a_file_of_the_run_is_damaged(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file of a run that is cut off is named."""
    for name in ("network.ckpt", "metrics.json", "history/user_codes.npy", "history/scale.json"):
        run = Path(shutil.copytree(run_path, tmp_path / name.replace("/", "-") / "run"))
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[: len(whole) // 3])
        assert export.main(["--run", str(run), "--output", str(tmp_path / "bundle")]) == 2, name
        error = capsys.readouterr().err
        assert name in error
        assert error.count("\n") == 1, name
    assert not (tmp_path / "bundle").exists()


def test_export_ends_with_status_2_and_one_line_when_output_is_no_bundle(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody else put there is not replaced."""
    (tmp_path / "cat.jpg").write_text("cat")
    assert export.main(["--run", str(run_path), "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "is there and is not a bundle" in error
    assert error.count("\n") == 1


def test_export_ends_with_status_2_when_the_networks_differ(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without parity there is no bundle, and the line says by how much."""
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    assert export.main(["--run", str(run_path), "--output", str(tmp_path / "bundle")]) == 2
    assert "onnxruntime and torch differ by" in capsys.readouterr().err
    assert list_folder(tmp_path) == []


def test_export_ends_with_status_130_when_it_is_interrupted(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C leaves no half bundle."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_export, "compare_with_torch", interrupt)
    assert export.main(["--run", str(run_path), "--output", str(tmp_path / "bundle")]) == 130
    assert capsys.readouterr().err == "export.py: interrupted\n"
    assert list_folder(tmp_path) == []


def test_export_exits_with_status_2_when_a_flag_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The parser's own complaint is one line."""
    with pytest.raises(SystemExit, match="2"):
        export.main(["--bundle", "x"])
    assert capsys.readouterr().err == "export.py: error: unknown flag --bundle (see --help)\n"
