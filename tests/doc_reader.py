"""Does what a page of the documents says, as its reader would.

`PLACEHOLDERS` says what stands for what, `NOT_RUN` what cannot run here and why. Everything else is run, so
that a command nobody thought of fails.
"""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from doc_commands import Command, File
from fresh_python import PATIENCE
from server_process import serve
from tiny_run import TINY_FLAGS

PLACEHOLDERS = {
    "DATA": "download",
    "SPLIT": "latest",
    "YOUR_RATINGS": "ratings.csv",
    "BUNDLE": "artifacts/bundle",
    "N": "1",
    "movielens-small": "ratings.csv",
    "2015-01-01": "2005-01-01",  # a cut that leaves something on both sides of the made-up ratings
    "8206": "301162",  # a user of `make demo`'s bundle, and one of the tiny bundle
}
"""What the documents write, and what is typed for it. `http://127.0.0.1:8000` is the test's own server, and
archives come from a publisher on this machine."""

NOT_RUN = {
    "make demo": ".ci/run begins with it",
    "source .venv/bin/activate": "the test runs in that environment",
    "make test": "this is it",
    "pip install --constraint": "downloads packages; the test runs where they are installed",
    "make serve": "the curl commands are sent to a server of the test's own, with the same settings",
    "python -m deploy.build_zip": "downloads packages; tests/deploy builds from what is installed",
    "docker ": "needs a container engine",
    "aws ": "needs an account with AWS",
    "sam ": "needs an account with AWS",
    "curl --aws-sigv4": "needs an account with AWS",
    "curl http://localhost:9000/": "asks the emulator in the container",
}
"""Beginnings of commands, and why they are not run. The flags of those in Python are compared with --help."""

QUICK = {
    "train": TINY_FLAGS,
    "model.large_synthetic": ("--ratings", "20000"),
    "benchmarks.accuracy": ("--peers", "constant,biases,full"),  # the others' packages are an extra
    "benchmarks.cold": ("--draws", "1"),
    "benchmarks.load": ("--clients", "1", "--requests", "10"),
}
"""Flags that make a command quick, by its module; those of the page come after them."""

IN_PROCESS = re.compile(r"python (?:-m )?((?:model|benchmarks|deploy)[.\w]*|train|export)(?:\.py)?(?: |$)")
"""Commands that are called instead of started, which saves importing torch for each."""

CURL = ("--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", r"\n%{http_code}")


def is_run(command: Command) -> bool:
    return not command.text.startswith(tuple(NOT_RUN))


def fill_in(text: str) -> str:
    """A command with something in the place of its placeholders."""
    for word, meant in PLACEHOLDERS.items():
        text = re.sub(rf"(?<![\w-]){word}(?!\w)", meant, text)
    return text


class Reader:
    """Does what a page says, in the current folder."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.url: str | None = None

    def follow(self, step: Command | File) -> None:
        """Do one step; raises AssertionError when it does not end as the page promises."""
        if isinstance(step, File):
            Path(step.name).write_text(step.text, encoding="utf-8")
        elif is_run(step):
            text = fill_in(step.text)
            if text.startswith("curl "):
                self.ask(step, text)
            elif found := IN_PROCESS.match(text):
                call(found[1], shlex.split(text[found.end() :], comments=True))
            else:
                run_in_shell(text)

    def ask(self, step: Command, text: str) -> None:
        """Send a request; the answer is JSON, with the status that the page shows or else 200."""
        if self.url is None:
            settings = {"MODEL_SHOW_USERS": "on"}
            server = self.stack.enter_context(serve(Path.cwd(), Path.cwd() / "artifacts/bundle", **settings))
            self.url = server.url
        arguments = shlex.split(text.replace("http://127.0.0.1:8000", self.url), comments=True)
        finished = subprocess.run([*arguments, *CURL], capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
        body, _, status = finished.stdout.rpartition("\n")
        shown = re.search(r'"status": ?(\d{3})', step.answer)
        assert status == (shown[1] if shown else "200"), body
        assert isinstance(json.loads(body), dict)


def call(module: str, arguments: list[str]) -> None:
    """Call a command's `main`; it must end with status 0."""
    assert importlib.import_module(module).main([*QUICK.get(module, ()), *arguments]) == 0


def run_in_shell(text: str) -> None:
    """Run any other command; it must end with status 0."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
