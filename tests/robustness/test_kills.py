"""kill -9 at random moments of train.py and export.py: what is left is whole, and the same command works.

Importing torch takes longer than a tiny run, so one process imports everything once and then runs each
command in a fork of itself: it is the fork that is killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT
from tiny_run import TINY_FLAGS, list_folder

from model.bundle import load_bundle
from model.errors import ArtifactMissingError
from model.ratings import write_sample_csv
from model.serving.predictor import Predictor
from model.store import read_history
from model.table import Ratings
from model.training.checkpoint import read_checkpoint
from model.training.runs import is_run

FORK = """
import json, os, sys, traceback
import train, export
import numba, onnx, onnxruntime, onnxscript, pandas, pytorch_lightning, torch.export, torch.onnx
import torch.onnx._internal.exporter._core
import model.training.gibbs, model.training.onnx_export
print("ready", flush=True)
for line in sys.stdin:
    name, *flags = json.loads(line)
    process = os.fork()
    if process == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            status = {"train.py": train, "export.py": export}[name].main(flags)
        except BaseException:
            traceback.print_exc()
            status = 1
        finally:
            os._exit(status)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs train.py and export.py."""

    process: "subprocess.Popen[str]"

    def run(self, *command: str, kill_after: float | None = None) -> int:
        """Run a command; its exit status, negative where a signal ended it.

        Args:
            command: the script's name and its flags.
            kill_after: seconds until it is killed; None lets it end.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(number, signal.SIGKILL)
        return int(self.process.stdout.readline())

    def measure(self, *command: str) -> float:
        """Run a command to its end; the seconds it took."""
        started = time.perf_counter()
        assert self.run(*command) == 0
        return time.perf_counter() - started


@pytest.fixture(scope="module")
def commands() -> Generator[Commands, None, None]:
    """The process that runs them."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORK],
        cwd=ROOT,
        # no thread may be running when it forks
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield Commands(process)
    process.communicate(timeout=PATIENCE)


@pytest.fixture
def train_flags(tiny_ratings: Ratings, tmp_path: Path) -> tuple[str, ...]:
    """train.py on a file of 1,200 ratings, into a folder of its own."""
    (tmp_path / "runs").mkdir()
    write_sample_csv(tiny_ratings, tmp_path / "ratings.csv")
    return (
        "train.py",
        f"--data={tmp_path / 'ratings.csv'}",
        f"--output={tmp_path / 'runs' / 'run'}",
        *TINY_FLAGS,
    )


def require_whole_run(run: Path) -> None:
    """A run that is there has all its parts, and they fit."""
    assert is_run(run)
    assert read_checkpoint(run).feature_names
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert read_history(run / "history").n_ratings == metrics["train_rows"]


@pytest.mark.slow
def test_run_is_whole_or_absent_when_train_is_killed_at_any_moment(
    commands: Commands, train_flags: tuple[str, ...], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Let through after each kill, it ends with 0 and leaves the run and nothing else."""
    n_kills = 25 if pytestconfig.getoption("full") else 4
    runs, chance = tmp_path / "runs", random.Random(11)
    duration = commands.measure(*train_flags)
    n_killed = 0
    for kill in range(n_kills):
        moment = duration * (kill + chance.random()) / n_kills
        n_killed += commands.run(*train_flags, kill_after=moment) == -signal.SIGKILL
        require_whole_run(runs / "run")  # the one of before, or the new one
        assert commands.run(*train_flags) == 0
        require_whole_run(runs / "run")
        assert list_folder(runs) == ["run"], f"killed {moment:.3f} s after the start"
    assert n_killed > 0  # how many depends on how busy the machine is


@pytest.mark.slow
def test_bundle_is_old_new_or_absent_when_export_is_killed_at_any_moment(
    commands: Commands, run_path: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Whatever loads is verified whole and predicts; once there is a bundle, there always is one."""
    n_kills = 25 if pytestconfig.getoption("full") else 3
    bundle, chance = tmp_path / "bundles" / "bundle", random.Random(12)
    command = ("export.py", f"--run={run_path}", f"--output={bundle}")
    duration = commands.measure("export.py", f"--run={run_path}", f"--output={tmp_path / 'timed'}")
    n_killed = 0
    for kill in range(n_kills):
        was_there = bundle.exists()
        # the later half more often: that is where the files are written and put in place
        moment = duration * (1 - ((n_kills - 1 - kill + chance.random()) / n_kills) ** 2)
        n_killed += commands.run(*command, kill_after=moment) == -signal.SIGKILL
        try:
            loaded = load_bundle(bundle, every_byte=True)
        except ArtifactMissingError:
            assert not was_there
        else:
            Predictor(loaded).self_test()
    assert commands.run(*command) == 0
    Predictor(load_bundle(bundle, every_byte=True)).self_test()
    assert list_folder(bundle.parent) == ["bundle"]
    assert n_killed > 0  # how many depends on how busy the machine is
