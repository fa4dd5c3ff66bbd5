"""What all commands have in common: examples that work, JSON and nothing else, one kind of complaint."""

import importlib
import json
import shlex
import shutil
from pathlib import Path

import pytest
from tiny_run import TINY_DATA, TINY_FLAGS

import train
from model.generation import SyntheticConfig
from model.large_synthetic import LargeConfig
from model.ratings import write_sample_csv
from model.synthetic import write_synthetic
from model.table import Ratings

COMMANDS = (
    "train",
    "export",
    "model.bundle",
    "model.describe",
    "model.large_synthetic",
    "model.sampling",
    "model.score",
    "model.serving.keys",
    "model.synthetic",
)
BENCHMARKS = tuple(
    f"benchmarks.{name}" for name in ("ablation", "accuracy", "cold", "load", "rolling", "speed")
)
"""Their examples are read but not run here: tests/benchmarks runs them on smaller data."""
UNRUN = (*BENCHMARKS, "model.download", "deploy.build_zip")
"""And those two need the internet: tests/test_download.py and tests/deploy run them without."""


def read_help(module: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `--help` prints."""
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(module).main(["--help"])
    return capsys.readouterr().out


def list_examples(module: str, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The arguments of each example in a command's help."""
    command = f"python {module}.py" if module in {"train", "export"} else f"python -m {module}"
    block = read_help(module, capsys).split("\nexamples:\n")[1].split("\n\n")[0]
    lines = [line.strip() for line in block.splitlines() if not line.startswith("  # ")]
    assert all(f"{line} ".startswith(f"{command} ") for line in lines), lines
    return [shlex.split(line.removeprefix(command)) for line in lines]


@pytest.fixture
def workplace(
    tiny_ratings: Ratings, run_path: Path, bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A current folder with the files that the examples name, small ones."""
    monkeypatch.chdir(tmp_path)
    write_sample_csv(tiny_ratings, tmp_path / "ratings.csv")
    write_synthetic(tmp_path / "download", SyntheticConfig(n_users=600, n_movies=150, n_ratings=30_000))
    rows = [f"{tiny_ratings.user_ids[row]},{tiny_ratings.movie_ids[row]}" for row in range(20)]
    Path("pairs.csv").write_text("\n".join(["user_id,movie_id", *rows]) + "\n", encoding="ascii")
    heading, *lines = Path("download/combined_data_1.txt").read_text(encoding="ascii").splitlines()[:4]
    users = [line.split(",")[0] for line in lines]
    Path("probe.txt").write_text("\n".join([heading, *users]) + "\n", encoding="ascii")
    shutil.copytree(bundle_path, "artifacts/bundle")
    shutil.copytree(run_path, "artifacts/runs/mine")
    (tmp_path / "artifacts/bundles").mkdir()
    # as in the examples, but done in a moment
    monkeypatch.setattr(train, "SyntheticConfig", lambda: TINY_DATA)
    of_size = LargeConfig.of_size
    monkeypatch.setattr(LargeConfig, "of_size", lambda n, seed: of_size(min(n, 5_000), seed=seed))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
def test_examples_of_help_run_when_their_files_are_there(
    module: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends well, says something, and prints JSON alone where it asks for it."""
    main = importlib.import_module(module).main
    examples = list_examples(module, capsys)
    assert examples
    for example in examples:
        quick = list(TINY_FLAGS) if module == "train" else []
        assert main([*quick, *example]) == 0, capsys.readouterr().err
        output = capsys.readouterr().out
        assert output.strip()
        if "--json" in example:
            assert isinstance(json.loads(output), dict)


@pytest.mark.parametrize("module", UNRUN)
def test_examples_of_help_are_read_when_they_cannot_be_run(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every flag and value in them exists."""
    parser = importlib.import_module(module)._build_parser()
    examples = list_examples(module, capsys)
    assert [vars(parser.parse_args(example)) for example in examples] != []


@pytest.mark.parametrize("module", [*COMMANDS, *UNRUN])
def test_help_speaks_one_language_when_asked(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has --json and --verbose with the same meaning, and names its exit statuses."""
    text = " ".join(read_help(module, capsys).split())
    assert "as JSON, and nothing else, on standard output" in text
    assert "-v, --verbose say on standard error what each step took" in text
    assert "exit status: 0 when all went well, 2 with one line on standard error" in text


@pytest.mark.parametrize("module", [*COMMANDS, *UNRUN])
def test_command_names_the_flag_that_was_meant_when_it_is_mistyped(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, status 2."""
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module(module).main(["--jsno"])
    complaint = capsys.readouterr().err
    assert complaint.endswith("error: unknown flag --jsno, did you mean --json? (see --help)\n")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "flags"),
    [
        ("model.bundle", "artifacts/bundle"),
        ("model.large_synthetic", "--output made-up --ratings 5000"),
        ("model.sampling", "--data ratings.csv --output sample.csv --method movies --movies 10"),
        ("model.score", "--bundle artifacts/bundle --pairs pairs.csv --output predicted.csv"),
        ("model.serving.keys", ""),
        ("model.synthetic", "--output made-up"),
    ],
)
def test_command_prints_json_alone_when_asked(
    module: str, flags: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is one JSON object; what --verbose tells goes to standard error."""
    assert importlib.import_module(module).main([*flags.split(), "--json", "--verbose"]) == 0
    output, told = capsys.readouterr()
    assert isinstance(json.loads(output), dict)
    assert " s" in told
