"""The container image, without a container engine: its Dockerfile read and replayed."""

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from dockerfile import Replay
from fresh_python import ROOT, run_fresh
from pythons import find_python

from deploy.build_zip import LARGEST_UNZIPPED
from deploy.dockerfile import list_copied, read_steps

STEPS = read_steps(ROOT / "Dockerfile")


def measure(folder: Path, *, without: str = " ") -> int:
    """Bytes of all files below a folder, without those whose path has a part of that name."""
    return sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(without)
    )


def test_image_copies_exactly_what_the_handler_imports_when_built() -> None:
    """The list of core modules in the Dockerfile is the list of core modules that serving loads."""
    code = """
import ast, importlib, json, sys
for node in ast.parse(open("handler.py").read()).body:
    if isinstance(node, ast.ImportFrom):
        importlib.import_module(node.module)
print(json.dumps([module.__file__ for name, module in sys.modules.items()
                  if name.partition(".")[0] == "model" and not name.startswith("model.serving")]))
"""
    finished = run_fresh(code)
    assert finished.returncode == 0, finished.stderr
    loaded = {Path(file).relative_to(ROOT).as_posix() for file in json.loads(finished.stdout)}
    copied = {
        source for source in list_copied(STEPS) if source.startswith("model/") and source != "model/serving"
    }
    assert copied == loaded


def test_image_context_holds_only_what_is_copied_when_sent() -> None:
    """.dockerignore starts from nothing and lets in each source of a COPY step, itself or its folder."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = list_copied(STEPS)
    assert lines[0] == "*"
    assert {
        name for name in let_in if not any(f"{source}/".startswith(f"{name}/") for source in copied)
    } == set()
    assert {
        source for source in copied if not any(f"{source}/".startswith(f"{name}/") for name in let_in)
    } == set()


def test_image_starts_from_the_lambda_base_and_leaves_root_when_built() -> None:
    """AWS's own Python base image, the handler's name as its command, and an ordinary user."""
    said = {step.word: step.rest for step in STEPS}
    assert re.fullmatch(r"public\.ecr\.aws/lambda/python:3\.\d+", said["FROM"])
    assert json.loads(said["CMD"]) == ["handler.handler"]
    assert said["USER"] == "1000:1000"


def test_constraints_pin_every_package_when_read() -> None:
    """The image installs exact versions only, and no address, path or option hides among them."""
    lines = [
        line for line in (ROOT / "constraints" / "serve.txt").read_text().splitlines() if line[:1] != "#"
    ]
    assert {"numpy", "onnxruntime", "fastapi", "mangum", "uvicorn"} <= {
        line.partition("==")[0] for line in lines
    }
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []


def test_constraints_are_what_the_tests_run_with_when_compared() -> None:
    """What the image installs is what this environment, where everything else is tested, has installed."""
    lines = [
        line for line in (ROOT / "constraints" / "serve.txt").read_text().splitlines() if line[:1] != "#"
    ]
    pinned = dict(line.split("==") for line in lines)
    assert {name: metadata.version(name) for name in pinned} == pinned


REPORT = """
import importlib.util, json, sys, time
start = time.perf_counter()
import handler
loaded = time.perf_counter()
answer = handler.handler({"user_id": 1, "movie_id": 2}, None)
print(json.dumps({
    "answer": answer,
    "python": sys.version.split()[0],
    "import_seconds": loaded - start,
    "installed": [name for name in ("torch", "pandas", "pytorch_lightning", "sklearn", "onnx", "pytest")
                  if importlib.util.find_spec(name)],
    "training": importlib.util.find_spec("model.training") is not None,
    "files": [module.__file__ for name, module in sys.modules.items()
              if name.partition(".")[0] in {"model", "handler"}],
}))
"""


@pytest.mark.slow
def test_image_answers_and_stays_small_when_its_steps_are_replayed(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the Dockerfile's steps alone: an event is answered, without training packages, under 250 MB."""
    environment = tmp_path / "lang"
    subprocess.run([find_python(), "-m", "venv", str(environment)], check=True, timeout=300)
    replay = Replay(source=ROOT, task_root=tmp_path / "task", binaries=environment / "bin")
    replay.run(STEPS, instead={"artifacts/bundle": bundle_path})

    finished = run_fresh(
        REPORT,
        python=str(environment / "bin" / "python"),
        folder=replay.task_root,
        PYTHONPATH="",
        **replay.environment,
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert 0.5 <= report["answer"]["predicted_rating"] <= 5
    assert report["installed"] == []
    assert not report["training"]
    assert all(Path(file).is_relative_to(replay.task_root) for file in report["files"])

    [packages] = environment.glob("lib/python3*/site-packages")
    n_bytes = measure(packages, without="pip") + measure(replay.task_root)  # the base image has its own pip
    with capsys.disabled():
        print(  # ruff: ignore[print] - the size is the report
            f"\nimage: {n_bytes / 1e6:.0f} MB unzipped on Python {report['python']}, "
            f"handler imported in {report['import_seconds']:.2f} s"
        )
    assert n_bytes < LARGEST_UNZIPPED  # an image may have more, a zip of the same may not
