"""Saying what a thing is: as text and as JSON, of ratings, bundles and runs."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TINY_CONFIG, TINY_DATA

from model.bundle import read_manifest
from model.describe import main
from model.synthetic import write_synthetic


def describe(*flags: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """What `--json` prints."""
    assert main([*flags, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """1,200 ratings in the Prize's layout."""
    write_synthetic(tmp_path / "data", TINY_DATA)
    return tmp_path / "data"


def test_describe_names_form_and_files_when_given_ratings(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose form it is, which lines, how large, and where the titles come from."""
    facts = describe("--data", str(data), capsys=capsys)
    assert facts["format"] == {
        "origin": "Netflix Prize",
        "lines": "user,rating,YYYY-MM-DD below a line movie:",
        "files": 1,
        "bytes": (data / "combined_data_1.txt").stat().st_size,
        "movie_file": "movie_titles.csv",
    }
    assert (facts["ratings"], facts["users"], facts["movies"]) == (1200, 60, 40)


def test_describe_is_one_screen_when_read_by_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every fact on a line, and a bar for every rating, the longest for the most frequent."""
    assert main(["--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(data)
    assert "  ratings      1,200, mean 3." in lines[3]
    bars = [line.count("#") for line in lines[-5:]]
    assert max(bars) == 30
    assert [line.split()[0] for line in lines[-5:]] == ["1", "2", "3", "4", "5"]
    assert all(len(line) < 110 for line in lines[1:])


def test_describe_leaves_the_size_out_when_nobody_knows_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a gzip stream holds is known only at its end."""
    packed = tmp_path / "ratings.txt.gz"
    packed.write_bytes(gzip.compress((data / "combined_data_1.txt").read_bytes()))
    assert main(["--data", str(packed)]) == 0
    assert "  files        1 file\n" in capsys.readouterr().out


def test_describe_repeats_the_manifest_when_given_a_bundle(
    bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When it was made, of what, how good it is, and the size of every file."""
    manifest = read_manifest(bundle_path)
    facts = describe("--bundle", str(bundle_path), capsys=capsys)
    for key in ("created", "format_version", "data_fingerprint", "features", "feature_names"):
        assert facts[key] == manifest[key]
    assert facts["rmse"] == manifest["metrics"]["rmse"]
    assert facts["files"]["model.onnx"] == (bundle_path / "model.onnx").stat().st_size
    assert facts["bytes"] == sum(file.stat().st_size for file in bundle_path.rglob("*") if file.is_file())
    assert main(["--bundle", str(bundle_path)]) == 0
    text = capsys.readouterr().out
    assert manifest["data_fingerprint"] in text
    assert f"full {manifest['metrics']['rmse']['full']:.4f}" in text


def test_describe_repeats_settings_and_table_when_given_a_run(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole configuration, the metrics as they were written, and where the report is."""
    run = tmp_path / "run"
    shutil.copytree(run_path, run)
    (run / "report.md").touch()
    facts = describe("--run", str(run), capsys=capsys)
    assert facts["config"] == TINY_CONFIG.to_json()
    assert facts["metrics"] == json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert str(run / "report.md") in facts["reports"]
    assert main(["--run", str(run)]) == 0
    text = capsys.readouterr().out
    assert "rank 2, n_samples 4" in text
    assert "the full model (full)" in text


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ((), "one of the arguments --data --bundle --run is required"),
        (("--data", "x", "--run", "y"), "not allowed with argument"),
        (("--dat", "x"), "did you mean --data?"),
    ],
)
def test_describe_exits_with_status_2_when_it_is_not_told_one_thing(
    flags: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly one of the three."""
    with pytest.raises(SystemExit, match="2"):
        main(list(flags))
    assert complaint in capsys.readouterr().err


def test_describe_guesses_the_path_when_it_is_mistyped(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A neighbour with nearly that name is named, as it would have to be typed."""
    assert main(["--data", str(data.with_name("dta"))]) == 2
    assert capsys.readouterr().err.endswith(
        f"no such file, folder or archive of ratings, did you mean {data}?\n"
    )


def test_describe_guesses_the_bundle_when_it_is_mistyped(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path is given as it was typed: relative."""
    monkeypatch.chdir(tmp_path)
    Path("artifacts").mkdir()
    Path("artifacts/bundle").symlink_to(bundle_path)
    assert main(["--bundle", "artifacts/bundel"]) == 2
    assert capsys.readouterr().err == (
        "python -m model.describe: error: there is no bundle at artifacts/bundel: "
        "artifacts/bundel/manifest.json is missing; did you mean artifacts/bundle?\n"
    )


def test_describe_guesses_the_run_when_it_is_mistyped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of runs by time the nearest."""
    monkeypatch.chdir(tmp_path)
    for name in ("20261124-101500", "20261125-205235"):
        Path("artifacts/runs", name).mkdir(parents=True)
    assert main(["--run", "artifacts/runs/20261125-205236"]) == 2
    assert capsys.readouterr().err.endswith(
        "artifacts/runs/20261125-205236 is not a finished run: expected metrics.json and a checkpoint, "
        "did you mean artifacts/runs/20261125-205235?\n"
    )


@pytest.mark.parametrize(
    ("kind", "taken_for"), [("bundle", "run"), ("bundle", "data"), ("run", "bundle"), ("run", "data")]
)
def test_describe_names_the_flag_when_one_thing_is_taken_for_another(
    kind: str, taken_for: str, bundle_path: Path, run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle or a run given to another flag."""
    path = bundle_path if kind == "bundle" else run_path
    assert main([f"--{taken_for}", str(path)]) == 2
    assert capsys.readouterr().err == f"python -m model.describe: error: {path} is a {kind}: use --{kind}\n"


def test_describe_names_the_file_when_a_run_is_damaged(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metrics that are no JSON are one line and status 2."""
    run = tmp_path / "run"
    shutil.copytree(run_path, run)
    (run / "metrics.json").write_text("{", encoding="utf-8")
    assert main(["--run", str(run)]) == 2
    assert f"{run / 'metrics.json'} is damaged" in capsys.readouterr().err
