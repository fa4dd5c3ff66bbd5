"""What makes a folder a finished run; known without PyTorch, which takes seconds to load."""

from pathlib import Path
from typing import Final

from model.errors import ArtifactMissingError
from model.suggestions import find_nearest_path

METRICS: Final = "metrics.json"
NETWORK: Final = "network.ckpt"


def is_run(folder: Path) -> bool:
    """Whether a folder is a finished run."""
    return (folder / METRICS).is_file() and (folder / NETWORK).is_file()


def require_run(folder: Path) -> None:
    """Make sure that a folder is a finished run.

    Raises:
        ArtifactMissingError: if it is none.
    """
    if not is_run(folder):
        near = find_nearest_path(folder)
        remedy = "run train.py" if near is None else f"did you mean {near}?"
        raise ArtifactMissingError(
            f"{folder} is not a finished run: expected {METRICS} and {NETWORK} in it; {remedy}"
        )


def find_newest_run(folder: Path) -> Path | None:
    """The finished run in a folder of runs that was written last; None where there is none."""
    runs = [path for path in folder.glob("*") if not path.name.startswith(".") and is_run(path)]
    return max(runs, key=lambda path: ((path / METRICS).stat().st_mtime_ns, path.name), default=None)
