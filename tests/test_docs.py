"""The documents: every command in them runs, every flag in their sentences exists, every link leads there.

A page is followed from its first command to its last in a folder of its own, with the smallest data there
are; tests/doc_reader.py says what is typed for its placeholders, and which commands are left out.
"""

import importlib
import io
import re
import shutil
import zipfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from builders import Rated, ask, make_history, name_columns
from doc_commands import PAGES, Command, File, find_inline_commands, find_links, read_steps
from doc_reader import IN_PROCESS, NOT_RUN, PLACEHOLDERS, Reader, is_run
from fresh_python import ROOT
from programs import find_program
from publisher import Publisher, publish
from tiny_run import TINY_DATA, change_training

import train
from benchmarks import ablation, accuracy, cold, data, ours, rolling
from benchmarks.measurement import Measurement, hide_stars, measure
from model import download as download_command
from model.config import RunConfig
from model.generation import SyntheticConfig
from model.questions import Query
from model.ratings import write_sample_csv
from model.synthetic import write_synthetic
from model.table import Ratings


def list_commands() -> list[Command]:
    """The commands of all pages."""
    steps = [step for page in PAGES for step in read_steps(page.read_text(encoding="utf-8"))]
    return [step for step in steps if isinstance(step, Command)]


@pytest.fixture(scope="session")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up ratings in the Prize's layout, enough of them to draw samples from."""
    folder = tmp_path_factory.mktemp("docs") / "download"
    write_synthetic(folder, SyntheticConfig(n_users=600, n_movies=150, n_ratings=30_000))
    return folder


@pytest.fixture
def curl() -> str:
    """What the documents' requests are made with."""
    return find_program("curl", package="curl", purpose="the documents' requests")


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
    for module in (train, data):
        monkeypatch.setattr(module, "SyntheticConfig", lambda: TINY_DATA)
    for module in (ours, ablation, cold, rolling):
        monkeypatch.setattr(module, "default_config", choose_tiny_config)
    monkeypatch.setattr(accuracy, "measure_apart", measure_here)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        publisher = stack.enter_context(publish(Publisher(build_archive())))
        monkeypatch.setattr(download_command, "PUBLISHER", publisher.address)
        yield Reader(stack)


def build_archive() -> bytes:
    """A zip with one rating."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::2::3::978300760\n")
    return stream.getvalue()


def choose_tiny_config(features: str, *, seed: int) -> RunConfig:
    """What the benchmarks train, but tiny."""
    return change_training(split="none", features=features, seed=seed)


def measure_here(name: str, *, seed: int, train: Ratings, test: Ratings) -> Measurement:
    """Fit a method in this process: one of its own would import torch anew."""
    return measure(name, seed=seed, train=train, asked=hide_stars(test))


WITH_COMMANDS = [
    page
    for page in PAGES
    if any(
        isinstance(step, Command) and is_run(step) for step in read_steps(page.read_text(encoding="utf-8"))
    )
]


@pytest.mark.slow
@pytest.mark.usefixtures("curl")
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
    links = [(page, link.split("#")[0]) for page in PAGES for link in find_links(page)]
    missing = {(page.parent / link).resolve() for page, link in links if not (page.parent / link).exists()}
    assert len(links) > 5
    assert missing == set()


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


def test_worked_example_comes_out_as_written_when_computed() -> None:
    """The table of docs/method.md gives the distances, neighbours, closenesses and era mean of its text."""
    text = (ROOT / "docs/method.md").read_text(encoding="utf-8").split("### By hand")[1]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert [title.strip() for title in lines[0]] == ["", "Alien", "Brazil", "Casino", "Jaws"]
    rows = [
        Rated(user, movie, float(stars))
        for user, line in enumerate(lines[2:], start=1)
        for movie, stars in enumerate(line[1:], start=1)
        if stars.strip().isdecimal()
    ]
    years = dict(enumerate((1979, 1985, 1995, 1975), start=1))
    _, table = ask(make_history(rows, years=years), Query(user_id=1, movie_id=4))
    features = name_columns(table)
    assert [features[f"distance_{place}"] for place in (1, 2, 3)] == [1, 5.5, 10.5]
    assert [features[f"neighbour_{place}"] for place in (1, 2, 3)] == [5, 2, 3]
    assert features["neighbour_4"] == pytest.approx(10 / 3)
    assert features["neighbour_count"] == 3
    assert features["era_mean"] == 4
    assert [features[f"closeness_{place}"] for place in (1, 2, 3)] == pytest.approx([7 / 8, 8 / 7, 1.2])
    assert features["closeness_4"] == pytest.approx(12 / 10)  # nobody: the mean gap
    written = (
        *("to **1**", "= **5.5**", "= **10.5**", "are 5, 2 and 3", "/ 3 = 3.33", "(5 + 3) / 2 = 4"),
        *("12 / 10 = 1.2", "= 0.875", "= 1.143", "(0 + 5) = 1.2"),
    )
    assert [figure for figure in written if figure not in text] == []


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
