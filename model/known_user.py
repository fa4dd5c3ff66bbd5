"""What a known user will give one movie: the network of `model.training.known_users`, in NumPy.

onnxruntime is quickest with many questions at a time. Of a single one, which comes between two requests, the
arithmetic is the smaller part of what onnxruntime takes (decision: quick-questions). Here it is a dozen array
calls on the same numbers, and export proves that they come to the same.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

KNOWN_USER_WEIGHTS: Final = "known_user.npy"

Weights = NDArray[Any]
"""A record: a `KnownUserNetwork`'s buffers by name, float32, and `scale`, its lowest and highest stars."""

_LOWEST, _HIGHEST = np.float32(-5), np.float32(5)
"""Standardised inputs beyond this saturate, as in `model.training.network`."""
_ONE: Final = np.float32(1)


def write_weights(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write weights as one NumPy file.

    Args:
        path: the file.
        weights: what a record of `Weights` holds.
    """
    record = np.empty((), dtype=[(name, np.float32, array.shape) for name, array in weights.items()])
    for name, array in weights.items():
        record[name] = array
    np.save(path, record, allow_pickle=False)


def read_weights(path: Path) -> Weights:
    """Read what `write_weights` wrote."""
    weights: Weights = np.load(path, allow_pickle=False)
    return weights


class SingleNetwork:
    """Predicts for one known user and one movie; safe to share between threads.

    Args:
        weights: as exported; the names are those of `KnownUserNetwork`, where they are explained.
    """

    def __init__(self, weights: Weights) -> None:
        n_heads, n_inputs, n_hidden = weights["first"].shape
        self._low: float
        self._high: float
        self._low, self._high = weights["scale"].tolist()
        self._centring = weights["centring"]
        self._origin = weights["origin"]
        self._linear = weights["linear"]
        self._constants = weights["constants"]
        # side by side, one head after another; halved for `_activate`
        self._first = weights["first"].transpose(1, 0, 2).reshape(n_inputs, n_heads * n_hidden) / 2
        self._hidden = (n_heads, 1, n_hidden)
        self._second = weights["second"] / 2
        self._second_bias = weights["second_bias"] / 2
        self._last = weights["last"].reshape(n_heads * n_hidden, 2)
        _, self._lower_width, self._upper_width = weights["widths"].tolist()
        self._n_features = len(self._origin) - len(self._centring) - 1
        self._write_features = Struct(f"{self._n_features}f").pack_into

    def predict(
        self, features: Sequence[float], person: NDArray[np.float32], asked: NDArray[np.float32]
    ) -> tuple[float, float, float]:
        """Predict one rating.

        Args:
            features: the network's feature columns.
            person: (n_samples, 1 + width) 1 and the vectors of the user.
            asked: (n_samples, 1 + width) the row of the movie table.

        Returns:
            The predicted rating and the bounds of its interval, stars within the scale.
        """
        inputs = np.empty(len(self._origin), dtype=np.float32)
        # in a third of the time that NumPy takes; an array is a buffer, which Python 3.11 cannot say
        self._write_features(inputs, 0, *features)  # type: ignore[arg-type]
        members = np.vecdot(person, asked, out=inputs[self._n_features : -1])
        centred = members.dot(self._centring)
        inputs[-1] = math.sqrt(centred.dot(centred))
        inputs -= self._origin
        linear = inputs.dot(self._linear)
        linear += self._constants
        known, new, newness = linear[-3:].tolist()
        standardised = np.minimum(np.maximum(linear[:-3], _LOWEST), _HIGHEST)
        hidden = _activate(standardised.dot(self._first).reshape(self._hidden))
        hidden = np.matmul(hidden, self._second)
        hidden += self._second_bias
        correction, log_deviation = _activate(hidden).ravel().dot(self._last).tolist()
        low, high, deviation = self._low, self._high, math.exp(log_deviation)
        predicted = min(max(known + math.exp(newness) * new + correction, low), high)
        return (
            predicted,
            min(max(predicted + deviation * self._lower_width, low), high),
            min(max(predicted + deviation * self._upper_width, low), high),
        )


def _activate(halves: NDArray[np.float32]) -> NDArray[np.float32]:
    """SiLU of twice what is given: x · sigmoid(x) is x/2 · (1 + tanh(x/2)), which cannot overflow."""
    activated = np.tanh(halves)
    activated += _ONE
    activated *= halves
    return activated
