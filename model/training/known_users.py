"""The network for users whose vectors were solved for beforehand: nearly all that a service is asked."""

import torch
from torch import Tensor, nn

from model.training.network import Heads, RatingNetwork


class KnownUserNetwork(nn.Module):
    """The prediction of a `RatingNetwork` in as few operations as it takes.

    A single prediction takes about as long as its operations are many, and hardly longer where they are
    larger. So all that is linear in the inputs (standardising them, and the base) is one matrix product, both
    groups of heads run side by side, and constants are folded into what is multiplied anyway. Its users have
    ratings, so everybody is corrected.

    Args:
        network: one with an encoder; its heads and those of its intervals are standardised alike.

    Raises:
        ValueError: if it is another.
    """

    def __init__(self, network: RatingNetwork) -> None:
        super().__init__()
        if network.encoder is None:
            raise ValueError("a network without an encoder has no user vectors")
        heads, spreads, base = network.heads, network.intervals.heads, network.base
        if not (
            torch.equal(heads.means, spreads.means) and torch.equal(heads.deviations, spreads.deviations)
        ):
            raise ValueError("the heads of the intervals are standardised in another way")
        _, n_samples, _ = network.encoder.table.shape
        self.row_shape = network.encoder.table.shape[1:]
        """Of what is stored of a user, and of a movie."""
        self.low, self.high = network.low, network.high
        self.n_inputs = len(heads.means)
        self.centring: Tensor
        self.origin: Tensor
        self.constants: Tensor
        self.linear: Tensor
        self.first: Tensor
        self.second: Tensor
        self.second_bias: Tensor
        self.last: Tensor
        self.widths: Tensor
        # the norm of what is left of the samples is their standard deviation
        centring = (torch.eye(n_samples) - 1 / n_samples) / n_samples**0.5
        self.register_buffer("centring", centring)
        # inputs are taken less their means: products of what is far from zero would cancel. So are the
        # samples, whose mean is the last input but one; they come without the mean of all ratings
        features, mean, spread = torch.split(heads.means, [self.n_inputs - 2, 1, 1])
        samples = (mean - network.encoder.overall_mean).expand(n_samples)
        self.register_buffer("origin", torch.cat([features, samples, spread]))
        known, new = base.weights
        columns = [
            (1 / heads.deviations).diag(),
            torch.zeros(self.n_inputs, 1),  # the constant 1, which carries the biases of the first layer
            torch.stack([known, new - known, -base.log_count], dim=1),
        ]
        features, mean, spread = torch.split(torch.cat(columns, dim=1), [self.n_inputs - 2, 1, 1])
        self.register_buffer("linear", torch.cat([features, mean.expand(n_samples, -1) / n_samples, spread]))
        known_mean, new_mean = base.constants + base.weights @ heads.means
        constants = torch.stack([
            torch.ones(()),
            known_mean + _last_bias(heads),
            new_mean - known_mean,
            -base.log_count @ heads.means,
        ])
        self.register_buffer("constants", torch.cat([torch.zeros(self.n_inputs), constants]))
        groups = (heads, spreads)
        weights = [torch.cat([group.weights[layer] for group in groups]) for layer in (0, 1)]
        biases = [torch.cat([group.biases[layer] for group in groups]) for layer in (0, 1)]
        self.register_buffer("first", torch.cat([weights[0], biases[0]], dim=1))
        self.register_buffer("second", weights[1])
        self.register_buffer("second_bias", biases[1])
        # a mean of linear outputs is linear itself: a column a group, zero for the other group's heads
        means = [group.gain * group.weights[-1] / len(group.weights[-1]) for group in groups]
        nothing = [torch.zeros_like(mean) for mean in means]
        self.register_buffer(
            "last",
            torch.cat([
                torch.cat([means[0], nothing[0]], dim=2),
                torch.cat([nothing[1], means[1]], dim=2),
            ]),
        )
        bounds = network.intervals.quantiles * _last_bias(spreads).exp()
        self.register_buffer("widths", torch.cat([torch.zeros(1), bounds]))

    def forward(self, features: Tensor, people: Tensor, asked: Tensor) -> Tensor:
        """Predict.

        Args:
            features: float32 (n_queries, n_features).
            people: float32 (n_queries, n_samples, 1 + width) 1, which meets the movie's bias, and the vectors
                of each query's user.
            asked: float32 (n_queries, n_samples, 1 + width) each query's row of the movie table.

        Returns:
            (n_queries, 3) the predicted rating and the bounds of its interval, stars within the scale.
        """
        members = (people * asked).sum(-1)
        spread = torch.linalg.vector_norm(members @ self.centring, dim=1, keepdim=True)
        inputs = torch.cat([features, members, spread], dim=1) - self.origin
        linear = torch.addmm(self.constants, inputs, self.linear)
        standardised, known, new, newness = torch.split(linear, [self.n_inputs + 1, 1, 1, 1], dim=1)
        hidden = nn.functional.silu(standardised.clamp(-5, 5) @ self.first)  # (n_heads, n_queries, n_hidden)
        hidden = nn.functional.silu(hidden @ self.second + self.second_bias)
        correction, log_deviation = torch.split((hidden @ self.last).sum(0), 1, dim=1)
        predicted = (known + newness.exp() * new + correction).clamp(self.low, self.high)
        return (predicted + log_deviation.exp() * self.widths).clamp(self.low, self.high)


def _last_bias(heads: Heads) -> Tensor:
    """What is constant in the mean of heads."""
    bias: Tensor = heads.start + heads.gain * heads.biases[-1].mean()
    return bias
