"""Run the user encoder over many contexts, in chunks of like length so that little is padded."""

import numpy as np
import torch
from numpy.typing import NDArray

from model.table import HALF_STAR
from model.training.network import UNKNOWN_ROW, UserEncoder
from model.views import Contexts, Queries

_CHUNK_RATINGS = 16_384
"""Padded context ratings encoded at once; bounds the memory."""


@torch.no_grad()
def encode_queries(encoder: UserEncoder, contexts: Contexts, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the encoder's mean and spread for every query.

    Args:
        encoder: on the CPU.
        contexts: the users' visible ratings.
        queries: who asks for which movie.

    Returns:
        Mean and spread, each float32 (n_queries,), stars.
    """
    means, spreads = torch.empty(len(queries)), torch.empty(len(queries))
    lengths = np.diff(contexts.offsets)
    by_length = np.argsort(lengths, kind="stable")
    order = np.argsort(queries.groups, kind="stable")
    starts = np.searchsorted(queries.groups[order], np.arange(contexts.n_groups + 1))
    first = 0
    while first < len(by_length):
        last = first + 1
        while last < len(by_length) and (last + 1 - first) * lengths[by_length[last]] <= _CHUNK_RATINGS:
            last += 1
        groups = by_length[first:last]
        asked = np.concatenate([order[starts[group] : starts[group + 1]] for group in groups])
        users = np.repeat(np.arange(len(groups)), (starts[groups + 1] - starts[groups]))
        mean, spread = encoder(
            *(torch.from_numpy(array) for array in pad_contexts(contexts, groups)),
            torch.from_numpy(users),
            torch.from_numpy(queries.movies[asked].astype(np.int64) + 1),
        )
        means[asked], spreads[asked] = mean, spread
        first = last
    return means, spreads


def pad_contexts(
    contexts: Contexts, groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Lay some contexts out as rectangles: table rows, stars and weights, each (n_groups, longest, at least 1)."""
    starts, stops = contexts.offsets[groups], contexts.offsets[groups + 1]
    longest = max(1, int((stops - starts).max(initial=0)))
    places = starts[:, None] + np.arange(longest)  # (n_groups, longest)
    real = places < stops[:, None]
    places = np.where(real, places, 0)
    if len(contexts.movies) == 0:
        return (
            np.full(places.shape, UNKNOWN_ROW, dtype=np.int64),
            np.zeros(places.shape, dtype=np.float32),
            np.zeros(places.shape, dtype=np.float32),
        )
    rows = np.where(real, contexts.movies[places].astype(np.int64) + 1, UNKNOWN_ROW)
    stars = np.where(real, contexts.codes[places] * np.float32(HALF_STAR), np.float32(0))
    return rows, stars, real.astype(np.float32)
