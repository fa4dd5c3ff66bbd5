"""train.py as it is started: what it prints, what it refuses, and what Ctrl-C leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from tiny_run import TINY_DATA, TINY_FLAGS, list_folder

import train
from model.ratings import write_sample_csv
from model.synthetic import write_synthetic
from model.table import Ratings
from model.training.runs import is_run


@pytest.fixture
def data(tiny_ratings: Ratings, tmp_path: Path) -> Path:
    """1,200 ratings as a CSV file."""
    path = tmp_path / "ratings.csv"
    write_sample_csv(tiny_ratings, path)
    return path


def start(data: Path, output: Path, *flags: str) -> "subprocess.Popen[str]":
    """Start train.py with the tiny configuration."""
    return subprocess.Popen(
        [sys.executable, "train.py", f"--data={data}", f"--output={output}", *TINY_FLAGS, *flags],
        cwd=ROOT,
        # on a busy machine the threads of so small a network would mostly wait for each other
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a background job of a shell ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ruff: ignore[subprocess-popen-preexec-fn]
    )


def test_train_uses_the_built_in_data_when_started_without_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes data in the Prize's layout and a new run, and ends with the table down to the lowest RMSE."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "SyntheticConfig", lambda: TINY_DATA)
    assert train.main(TINY_FLAGS) == 0
    [run] = (tmp_path / "artifacts" / "runs").iterdir()
    assert is_run(run)
    assert re.fullmatch(r"\d{8}-\d{6}", run.name)
    assert "combined_data_1.txt" in list_folder(tmp_path / "artifacts" / "built-in-data")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "writing the built-in data to artifacts/built-in-data"
    assert f"the run is in artifacts/runs/{run.name}" in lines[3]
    names = [line.split("(")[1].split(")")[0] for line in lines[6:-3]]
    assert names == ["constant", "movie_mean", "biases", "seed", "full"]
    assert lines[-3].startswith("  lowest that anybody could ")
    assert lines[-2].startswith("  inside the 80 % interval")
    assert lines[-1] == f"report: artifacts/runs/{run.name}/report.html"
    assert (run / "report.html").is_file()


def test_train_prints_what_metrics_json_holds_when_data_is_given(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table's overall column is metrics.json's, to four digits; real data has no lowest RMSE."""
    assert train.main([f"--data={data}", f"--output={tmp_path / 'run'}", *TINY_FLAGS]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    out = capsys.readouterr().out
    for name, value in metrics["rmse"].items():
        [line] = [line for line in out.splitlines() if f"({name})" in line]
        assert line.split(")")[1].split()[0] == f"{value:.4f}"
    assert "lowest that anybody could" not in out


def test_train_prints_json_alone_when_told_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is one JSON object, metrics.json and where the run is; the rest goes elsewhere."""
    assert train.main([f"--data={data}", f"--output={tmp_path / 'run'}", "--json", *TINY_FLAGS]) == 0
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert printed.pop("run") == str(tmp_path / "run")
    assert printed.pop("report") == str(tmp_path / "run" / "report.html")
    assert printed == json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert "training on" in said.err


def test_train_prints_no_table_when_nothing_is_held_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without test rows there is no RMSE to print; a second run says that it replaces the first."""
    command = [f"--data={data}", f"--output={tmp_path / 'run'}", *TINY_FLAGS, "--split=none"]
    assert train.main(command) == 0
    first = capsys.readouterr().out
    assert "RMSE" not in first
    assert "replaced" not in first
    assert train.main(command) == 0
    assert capsys.readouterr().out.startswith(f"the run in {tmp_path / 'run'} will be replaced\n")


def test_train_counts_ratings_given_twice_when_there_are_any(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says how many, and which were kept."""
    text = data.read_text(encoding="utf-8")
    data.write_text(text + text.splitlines()[1] + "\n", encoding="utf-8")
    assert train.main([f"--data={data}", f"--output={tmp_path / 'run'}", *TINY_FLAGS]) == 0
    assert "ratings given twice: 1; the later ones are kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epochs 0", "epochs is 0: expected 1 or more"),
        ("--seed -1", "seed is -1: expected 0 or more"),
        ("--rank 0", "rank is 0: expected 1 or more"),
        ("--n-folds 1", "n_folds is 1: expected 2 or more"),
        ("--n-folds 128", "n_folds is 128: expected 127 or fewer"),
        ("--learning-rate nan", "learning_rate is nan"),
        ("--split newest", "split 'newest' is unknown: expected latest"),
        ("--split period:2005-02-30", "'2005-02-30' is not a date of the calendar"),
        ("--split period:1990-01-01", "leaves no ratings to train on"),
        ("--output DATA", "ratings.csv is there and is not a run"),
        ("--output /proc/run", "/proc/run: cannot be written"),
    ],
)
def test_train_ends_with_status_2_and_one_line_when_a_setting_makes_no_sense(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """What the user got wrong is one line on standard error, and nothing is left."""
    given = flags.replace("DATA", str(data)).split()
    assert train.main([f"--data={data}", f"--output={tmp_path / 'run'}", *TINY_FLAGS, *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("train.py: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert list_folder(tmp_path) == ["ratings.csv"]


def test_train_refuses_a_missing_accelerator_when_nothing_is_read_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a GPU `--accelerator gpu` is one line, before the data is so much as looked for."""
    for accelerator in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(accelerator, "is_available", lambda: False)
    flags = [f"--data={tmp_path / 'nowhere'}", f"--output={tmp_path / 'run'}", "--accelerator=gpu"]
    assert train.main(flags) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err == (
        "train.py: error: accelerator is gpu, and PyTorch finds none here: expected auto or cpu\n"
    )
    assert list_folder(tmp_path) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epochs many", "'many' is not a whole number"),
        ("--features half", "'half' is unknown: expected full, seed"),
        ("--epoch 3", "unknown flag --epoch, did you mean --epochs?"),
        ("extra", "unrecognized arguments: extra"),
    ],
)
def test_train_exits_with_status_2_when_a_flag_cannot_be_read(
    capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """The parser's own complaints are one line with status 2 as well; no flag may be abbreviated."""
    with pytest.raises(SystemExit, match="2"):
        train.main(flags.split())
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.csv", None, "nowhere.csv"),
        ("empty.csv", b"", "empty file"),
        ("poem.txt", b"Shall I compare thee to a summer's day?\n", "poem.txt, line 1"),
        ("broken.dat", b"1::2::3::978300760\n1::3::9::978300760\n1::4::3::978300760\n", "broken.dat, line 2"),
        ("cut.zip", b"PK\x03\x04", "cut.zip"),
        ("few.dat", b"1::2::3::978300760\n1::3::4::978300761\n", "2 training ratings: expected 20 or more"),
    ],
)
def test_train_ends_with_status_2_and_one_line_when_data_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, message: str
) -> None:
    """The line names the file, and the line in it where there is one; nothing is left."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert train.main([f"--data={path}", f"--output={tmp_path / 'run'}", *TINY_FLAGS, "--split=none"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list_folder(tmp_path) == ([] if content is None else [name])


def test_train_is_quiet_when_it_runs_off_a_terminal(data: Path, tmp_path: Path) -> None:
    """Neither progress bar nor library's remark: nothing on standard error, few lines on standard output."""
    with start(data, tmp_path / "run") as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "\r" not in out
    assert len(out.splitlines()) < 15


def test_train_resumes_when_neither_command_names_an_output(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default output has the time in its name; the second command still finds the work of the first."""
    monkeypatch.chdir(tmp_path)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("model.training.run.encode_rows", interrupt)
        assert train.main([f"--data={data}", *TINY_FLAGS]) == 130
    assert "resuming" not in capsys.readouterr().out
    assert train.main([f"--data={data}", *TINY_FLAGS]) == 0
    assert "resuming an interrupted run" in capsys.readouterr().out
    [only] = list_folder(tmp_path / "artifacts" / "runs")
    assert is_run(tmp_path / "artifacts" / "runs" / only)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "sign"),
    [
        (["--burn-in=60"], "posterior-fold-0.npz"),
        (["--features=seed", "--epochs=60", "--patience=60"], "seed/heads/last.ckpt"),
    ],
)
def test_train_resumes_when_it_was_interrupted(
    data: Path, tmp_path: Path, flags: list[str], sign: str
) -> None:
    """Ctrl-C while sampling or in Lightning: status 130, one line, no run; the same command then ends."""
    output = tmp_path / "run"
    with start(data, output, *flags) as process:
        deadline = time.monotonic() + PATIENCE
        while not list(tmp_path.glob(f".unfinished-*/{sign}")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "train.py: interrupted\n")
    assert not output.exists()

    with start(data, output, *flags) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "resuming an interrupted run" in out.splitlines()
    assert is_run(output)
    assert list_folder(tmp_path) == ["ratings.csv", "run"]


def test_train_finds_the_lowest_rmse_when_data_is_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the folder that the generator wrote, the truth beside the ratings is used."""
    write_synthetic(tmp_path / "made", TINY_DATA)
    assert train.main([f"--data={tmp_path / 'made'}", f"--output={tmp_path / 'run'}", *TINY_FLAGS]) == 0
    assert "lowest that anybody could" in capsys.readouterr().out.splitlines()[-3]
