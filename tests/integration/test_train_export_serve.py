"""The whole line: ratings in, a run, a bundle, and the same prediction whichever way it is asked for."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from fresh_python import run_fresh
from tiny_run import TINY_FLAGS

import export
import train
from model import score
from model.dates import format_day
from model.history import build_history
from model.ratings import read_ratings, write_sample_csv
from model.splits import Split, apply_split, parse_split
from model.table import Ratings
from model.training.checkpoint import read_checkpoint
from model.training.evaluation import predict_test


def answer(bundle: Path, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What handler.handler answers in a fresh interpreter."""
    code = (
        "import json, handler\n"
        f"events = json.loads({json.dumps(json.dumps(events))})\n"
        "print(json.dumps([handler.handler(event, None) for event in events]))"
    )
    finished = run_fresh(code, MODEL_BUNDLE=str(bundle))
    assert finished.returncode == 0, finished.stderr
    answers: list[dict[str, Any]] = json.loads(finished.stdout)
    return answers


def train_and_export(data: Path, folder: Path, *flags: str) -> dict[str, Any]:
    """Run both commands; the metrics of the run."""
    assert train.main([f"--data={data}", f"--output={folder / 'run'}", *flags]) == 0
    assert export.main(["--run", str(folder / "run"), "--output", str(folder / "bundle")]) == 0
    metrics: dict[str, Any] = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def score_bundle(folder: Path, split: Split, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Score the held-out rows from the exported bundle; what --json prints."""
    write_sample_csv(split.test, folder / "test.csv")
    capsys.readouterr()
    flags = f"--bundle {folder / 'bundle'} --pairs {folder / 'test.csv'} --output {folder / 'out.csv'} --json"
    assert score.main(flags.split()) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_every_way_predicts_the_same_when_the_line_is_run(
    tiny_ratings: Ratings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """torch, the scoring command and the Lambda handler agree on the held-out rows."""
    write_sample_csv(tiny_ratings, tmp_path / "ratings.csv")
    metrics = train_and_export(tmp_path / "ratings.csv", tmp_path, *TINY_FLAGS)
    split = apply_split(read_ratings(tmp_path / "ratings.csv"), parse_split("latest"), seed=1)
    trained = read_checkpoint(tmp_path / "run")
    ours = predict_test(build_history(split.train), split.test, {"full": trained}).predicted

    report = score_bundle(tmp_path, split, capsys)
    assert report["rmse"] == pytest.approx(metrics["rmse"]["full"], abs=1e-5)
    assert [bucket["rows"] for bucket in report["rmse_by_history_length"]] == [
        bucket["rows"] for bucket in metrics["rmse_by_history_length"]["full"]
    ]
    with (tmp_path / "out.csv").open(encoding="ascii", newline="") as stream:
        scored = [float(row["predicted_rating"]) for row in csv.DictReader(stream)]
    assert scored == pytest.approx(ours["full"][:, 0].tolist(), abs=2e-4)

    rows = range(0, len(split.test), 40)
    events = [
        {
            "user_id": int(split.test.user_ids[row]),
            "movie_id": int(split.test.movie_ids[row]),
            "date": format_day(int(split.test.days[row])),
        }
        for row in rows
    ]
    served = [each["predicted_rating"] for each in answer(tmp_path / "bundle", *events)]
    assert served == pytest.approx([scored[row] for row in rows], abs=2e-4)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "line"), [("movielens-small", "biases"), ("netflix/data_sample.csv", "constant")]
)
def test_bundle_reaches_the_runs_rmse_when_data_is_real(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, line: str
) -> None:
    """From the exported bundle the held-out rows score as metrics.json says, and below a baseline."""
    flags = "--epochs=8 --head-rows=15000 --burn-in=20 --thinning=1 --n-samples=16 --rank=8 --accelerator=cpu"
    metrics = train_and_export(real_data / source, tmp_path, *flags.split())
    split = apply_split(read_ratings(real_data / source), parse_split("latest"), seed=1)
    report = score_bundle(tmp_path, split, capsys)
    assert report["rmse"] == pytest.approx(metrics["rmse"]["full"], abs=1e-4)
    assert report["rmse"] < metrics["rmse"][line]
    event = {"user_id": int(split.test.user_ids[0]), "movie_id": int(split.test.movie_ids[0])}
    [prediction] = answer(tmp_path / "bundle", event)
    scale = split.test.scale
    assert scale.low <= prediction["predicted_rating"] <= scale.high
