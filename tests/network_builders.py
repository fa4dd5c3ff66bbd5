"""Small parts of networks; apart from `builders`, because it needs torch."""

import torch

from model.training.network import Heads, Intervals


def build_intervals(heads: Heads) -> Intervals:
    """Intervals of one star to either side, on the same inputs as some heads."""
    spread = Heads(
        heads.means, heads.deviations, hidden_size=heads.weights[0].shape[-1], n_heads=len(heads.weights[0])
    )
    return Intervals(spread, torch.tensor([-1.0, 1.0]))
