"""Where the sampler is, kept on disk now and then: an interruption costs minutes, not all of its rounds."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.training.gibbs_side import Side
from model.training.kept import read_kept, write_kept

KEEP_SECONDS = 300.0
"""Seconds from one keeping to the next; for half a million users it writes 268 MB, in 1 s."""

_SAMPLED = ("weights", "vectors", "links", "link_precisions", "link_sums")
"""What a round changes of a side."""


@dataclass(slots=True, eq=False)
class Chain:
    """All that the sampler's next round depends on beside the ratings, and the samples it has collected."""

    users: Side
    movies: Side
    noise_precision: float
    """Of ratings of weight one, one over stars squared."""
    rng: np.random.Generator
    n_rounds: int = 0
    """Rounds done."""
    samples: list[list[NDArray[np.float32]]] = field(default_factory=list)
    """The parts of each sample, the same ones in each."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name: 24 W + 8 bytes a user or movie, W their width, and the samples."""
        sides = {
            f"{name}_{part}": getattr(side, part)
            for name, side in (("users", self.users), ("movies", self.movies))
            for part in _SAMPLED
        }
        samples = {
            f"samples_{part}": np.stack(values) for part, values in enumerate(zip(*self.samples, strict=True))
        }
        return {
            "n_rounds": np.array(self.n_rounds),
            "noise_precision": np.array(self.noise_precision),
            "rng": np.array(json.dumps(self.rng.bit_generator.state)),
            **sides,
            **samples,
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go to where another chain over the same ratings was.

        Args:
            arrays: what its `to_arrays` gave.
        """
        self.n_rounds = int(arrays["n_rounds"])
        self.noise_precision = float(arrays["noise_precision"])
        self.rng.bit_generator.state = json.loads(str(arrays["rng"]))
        for name, side in (("users", self.users), ("movies", self.movies)):
            for part in _SAMPLED:
                setattr(side, part, arrays[f"{name}_{part}"])
        n_parts = sum(name.startswith("samples_") for name in arrays)
        parts = [arrays[f"samples_{part}"] for part in range(n_parts)]
        self.samples = [list(sample) for sample in zip(*parts, strict=True)]


class ChainFile:
    """Keeps a chain on disk, so that the same chain can be resumed, to the same numbers."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Read what an interrupted attempt has kept, if it has.

        Args:
            path: the file; it belongs to one configuration, data set and version of the sampler.
            say: told where it is damaged: then the chain begins anew.
        """
        self._path = path
        self._kept = read_kept(path, say)
        self._kept_at = time.monotonic()
        self.n_rounds = 0 if self._kept is None else int(self._kept["n_rounds"])
        """Rounds that the interrupted attempt had done."""

    def resume(self, chain: Chain) -> None:
        """Put a chain that has just started to where the interrupted attempt was.

        Args:
            chain: over the same ratings.
        """
        if self._kept is not None:
            chain.restore(self._kept)
            self._kept = None

    def keep(self, chain: Chain) -> None:
        """Write where a chain is, if that is `KEEP_SECONDS` ago.

        Args:
            chain: between two rounds.
        """
        if time.monotonic() - self._kept_at >= KEEP_SECONDS:
            write_kept(self._path, chain.to_arrays())
            self._kept_at = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the chain has ended and its samples are kept elsewhere."""
        self._path.unlink(missing_ok=True)
