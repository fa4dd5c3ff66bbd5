"""The notebooks: clean in git, and they run from top to bottom on the built-in data."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fresh_python import ROOT

from model.ratings import write_sample_csv
from model.synthetic import SyntheticConfig, build_synthetic

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

RUN = """
import sys
import nbformat
from nbclient import NotebookClient
source, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
NotebookClient(notebook, timeout=600, resources={"metadata": {"path": "."}}).execute()
nbformat.write(notebook, target)
"""
"""Raises, and so ends with another status than 0, at the first cell that fails."""


def read_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each with the text of its source."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def test_notebooks_are_there_when_listed() -> None:
    """The parametrised tests below have something to look at."""
    assert [path.name for path in NOTEBOOKS] == ["01_sampling.ipynb", "02_exploration.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_holds_no_outputs_when_committed(path: Path) -> None:
    """Outputs belong to the reader's data and machine: `git diff` shows what was written, nothing else."""
    code = [cell for cell in read_cells(path) if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert cell["metadata"] == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_can_be_read_without_running_when_opened(path: Path) -> None:
    """It begins with its title, explains itself between the cells of code, and needs no data by default."""
    cells = read_cells(path)
    assert cells[0]["source"].startswith("# ")
    explained = [cell["cell_type"] == "markdown" for cell in cells]
    assert all(any(explained[place : place + 4]) for place in range(len(cells) - 3))
    assert "DATA: Path | None = None" in "\n".join(cell["source"] for cell in cells)


def execute(notebook: Path, target: Path, scratch: Path) -> list[dict[str, Any]]:
    """Run a notebook; what its cells put out."""
    finished = subprocess.run(
        [sys.executable, "-c", RUN, notebook, target],
        cwd=ROOT,
        env={**os.environ, "IPYTHONDIR": str(scratch / "ipython"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return [output for cell in read_cells(target) for output in cell.get("outputs", ())]


def check_outputs(outputs: list[dict[str, Any]]) -> None:
    """The plots are drawn, and there is no warning."""
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs_from_top_to_bottom_when_executed(path: Path, tmp_path: Path) -> None:
    """Every cell ends well, without a warning, and the plots are drawn."""
    check_outputs(execute(path, tmp_path / path.name, tmp_path))


@pytest.mark.slow
def test_sampling_notebook_runs_when_the_data_are_the_readers_own_and_sparse(tmp_path: Path) -> None:
    """No movie has fifty ratings in the last year, as in MovieLens' small set."""
    data = tmp_path / "mine.csv"
    sparse = build_synthetic(SyntheticConfig(n_users=300, n_movies=900, n_ratings=6_000))[0]
    write_sample_csv(sparse, data)
    notebook = tmp_path / "mine.ipynb"
    text = NOTEBOOKS[0].read_text(encoding="utf-8")
    changed = text.replace("DATA: Path | None = None", f"DATA: Path | None = Path('{data}')")
    notebook.write_text(changed, encoding="utf-8")
    outputs = execute(notebook, tmp_path / "out.ipynb", tmp_path)
    check_outputs(outputs)
    assert outputs[0]["text"][0].startswith("6,000 ratings from")
