"""The documents: every command in them runs, every flag in their sentences exists, every link leads there.

A page is followed from its first command to its last in a folder of its own, as a reader would, with the
smallest data there are. `PLACEHOLDERS` says what stands for what, `NOT_RUN` what cannot run here and why.
Everything else is run, so that a command nobody thought of fails.
"""

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from doc_commands import PAGES, Command, File, find_inline_commands, find_links, read_steps
from fresh_python import PATIENCE, ROOT
from server_process import serve
from tiny_run import TINY_DATA, TINY_FLAGS

import train
from model.generation import SyntheticConfig
from model.ratings import write_sample_csv
from model.synthetic import write_synthetic
from model.table import Ratings

PLACEHOLDERS = {
    "DATA": "ratings.csv",
    "PATH": "download",
    "SPLIT": "latest",
    "YOUR_RATINGS": "ratings.csv",
    "BUNDLE": "artifacts/bundle",
    "8206": "301162",  # a user of `make demo`'s bundle, and one of the tiny bundle
}
"""What the documents write, and what is typed for it. `http://127.0.0.1:8000` is the test's own server."""

NOT_RUN = {
    "make demo": ".ci/run begins with it",
    "source .venv/bin/activate": "the test runs in that environment",
    "make test": "this is it",
    "make serve": "the curl commands are sent to a server of the test's own, with the same settings",
    "python -m benchmarks.": "minutes to hours; tests/benchmarks runs them on small data",
    "python -m model.download": "needs the internet; tests/test_download.py brings a server of its own",
    "docker ": "needs a container engine",
    "aws ": "needs an account with AWS",
    "curl http://localhost:9000/": "asks the emulator in the container",
}
"""Beginnings of commands, and why they are not run. The flags of those in Python are compared with --help."""

IN_PROCESS = re.compile(r"python (?:-m )?((?:model|benchmarks|deploy)[.\w]*|train|export)(?:\.py)?(?: |$)")
"""Commands that are called instead of started, which saves importing torch for each."""

CURL = ("--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", r"\n%{http_code}")


def is_run(command: Command) -> bool:
    return not command.text.startswith(tuple(NOT_RUN))


def list_commands() -> list[Command]:
    """The commands of all pages."""
    steps = [step for page in PAGES for step in read_steps(page.read_text(encoding="utf-8"))]
    return [step for step in steps if isinstance(step, Command)]


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
    quick = TINY_FLAGS if module == "train" else ()
    assert importlib.import_module(module).main([*quick, *arguments]) == 0


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


@pytest.fixture(scope="session")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up ratings in the Prize's layout, enough of them to draw samples from."""
    folder = tmp_path_factory.mktemp("docs") / "download"
    write_synthetic(folder, SyntheticConfig(n_users=600, n_movies=150, n_ratings=30_000))
    return folder


@pytest.fixture
def reader(
    tiny_ratings: Ratings,
    run_path: Path,
    bundle_path: Path,
    download: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Reader]:
    """A reader in a clone of the repository after a `make demo` of tiny data, with ratings of their own."""
    for entry in ("examples", "tests", "model", "deploy", "handler.py", "train.py", "export.py"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    (tmp_path / "download").symlink_to(download)
    shutil.copytree(bundle_path, tmp_path / "artifacts/bundle")
    shutil.copytree(run_path, tmp_path / "artifacts/runs/demo")
    write_sample_csv(tiny_ratings, tmp_path / "ratings.csv")
    heading, *lines = (download / "combined_data_1.txt").read_text(encoding="ascii").splitlines()[:9]
    probe = [heading, *(line.split(",")[0] for line in lines if not line.endswith(":"))]
    (tmp_path / "probe.txt").write_text("\n".join(probe) + "\n", encoding="ascii")
    monkeypatch.setattr(train, "SyntheticConfig", lambda: TINY_DATA)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Reader(stack)


WITH_COMMANDS = [
    page
    for page in PAGES
    if any(
        isinstance(step, Command) and is_run(step) for step in read_steps(page.read_text(encoding="utf-8"))
    )
]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the documents' requests are made with curl")
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_does_what_it_promises_when_followed(page: Path, reader: Reader) -> None:
    """Every command ends with status 0, and every request is answered with JSON and the promised status."""
    for step in read_steps(page.read_text(encoding="utf-8")):
        try:
            reader.follow(step)
        except (AssertionError, SystemExit) as error:
            raise AssertionError(f"{page.name}: {step} did not do: {error}") from error


def test_tables_name_nothing_that_no_page_says_when_pages_change() -> None:
    """An entry without a command would hide the next one that happens to fit it."""
    texts = [command.text for command in list_commands()]
    assert [start for start in NOT_RUN if not any(text.startswith(start) for text in texts)] == []
    run = " ".join(text for text in texts if not text.startswith(tuple(NOT_RUN)))
    assert [word for word in PLACEHOLDERS if not re.search(rf"\b{word}\b", run)] == []


def list_mentions() -> list[str]:
    """Commands that are named in sentences, and those in blocks that are not run."""
    inline = [text for page in PAGES for text in find_inline_commands(page.read_text(encoding="utf-8"))]
    return sorted({*inline, *(command.text for command in list_commands() if not is_run(command))})


@pytest.mark.parametrize("text", [text for text in list_mentions() if IN_PROCESS.match(text)])
def test_flags_exist_when_a_command_is_only_mentioned(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them are in the command's --help."""
    found = IN_PROCESS.match(text)
    assert found is not None
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(found[1]).main(["--help"])
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert set(re.findall(r"(?<= )--[\w-]+", text)) <= known


def test_targets_exist_when_make_is_mentioned() -> None:
    """Each has a rule in the Makefile."""
    named = {found for text in list_mentions() for found in re.findall(r"^make (\w+)", text)}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "serve"} <= named <= targets


def test_links_lead_somewhere_when_relative() -> None:
    """Files, folders and pictures are there."""
    links = [(page, link) for page in PAGES for link in find_links(page)]
    assert len(links) > 5
    assert [
        (page.name, link) for page, link in links if not (page.parent / link.split("#")[0]).exists()
    ] == []


def test_every_page_is_found_when_a_reader_begins_with_the_readme() -> None:
    """Each page of docs/ is linked from the README or from a page that is."""
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            ahead.extend((page.parent / link.split("#")[0]).resolve() for link in find_links(page))
    assert set((ROOT / "docs").glob("*.md")) - seen == set()


def test_read_steps_finds_commands_answers_and_files_when_a_page_mixes_them() -> None:
    """By hand: a continued command, one with an answer, a file, and a picture of text without any."""
    page = """Do this:

    # a comment
    curl URL \\
        -d '{}'   # another

- and in a list

      $ python a.py
      trained at last

```csv mine.csv
user_id,movie_id
```

```text
model is not a program here
```
"""
    assert read_steps(page) == [
        Command(4, "curl URL -d '{}'   # another"),
        Command(9, "python a.py", "trained at last"),
        File("mine.csv", "user_id,movie_id\n"),
    ]


def test_read_steps_refuses_a_block_when_nobody_would_run_it() -> None:
    """Code in another language cannot hide."""
    with pytest.raises(AssertionError, match="nobody runs blocks of 'ruby'"):
        read_steps("```ruby\nputs 1\n```\n")
