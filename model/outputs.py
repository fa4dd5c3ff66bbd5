"""Whether what a command is to write can be written: told before hours of work, not after."""

import tempfile
from pathlib import Path

from model.errors import ConfigError


def check_output_file(path: Path) -> None:
    """Refuse a file that cannot be written.

    Raises:
        ConfigError: if it is a folder, or its folder does not exist or may not be written to.
    """
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"{path}: cannot be written; expected a file in a folder that exists")
    _try_out(path.parent, path)


def check_output_folder(path: Path) -> None:
    """Refuse a folder that cannot be made; folders above it that are missing can.

    Raises:
        ConfigError: if the nearest of them that exists is a file, or may not be written to.
    """
    _try_out(next(folder for folder in path.absolute().parents if folder.exists()), path)


def _try_out(folder: Path, path: Path) -> None:
    """Make a file without a name in a folder: permissions alone do not tell what a file system refuses."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({folder}: {error.strerror}); expected where files can be made"
        ) from error
