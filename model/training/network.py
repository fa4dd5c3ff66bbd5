"""The network: a Bayesian user encoder, features, and small heads that turn them into one number.

The encoder's movie vectors come from `model.training.gibbs` and stay fixed; given them, a user's vector is
the closed-form posterior mean over the ratings in the context, so any user with any history is encoded
without parameters of their own, and one without history gets the prior's mean. The heads are trained on the
RMSE to correct the encoder with the neighbour, era and count features.
"""

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from model.training.base import Base
from model.training.gibbs import Posterior
from model.vectors import LINK_RATINGS, NEW_RATINGS


class UserEncoder(nn.Module):
    """Predicts from a user's context: posterior mean of the user's vector, dotted with the movie's.

    Every sample s of the posterior is a member: p_s = (Λ_s + α_s Σ x xᵀ)⁻¹ (Λ_s m_s + α_s Σ x residual) with
    x = (1, movie vector) over the context, then overall mean + movie bias + x · p_s, averaged over s. The
    prior mean m_s = μ_s + Σ link_s / √(n + 20) depends on which n movies are in the context, whatever they
    got. Links are learned from long histories: somebody new is everybody with ν = 50 / (n + 50), so that
    μ_s and Λ_s are (1 - ν) times those of users whose links are known, plus ν times those of all users.

    Args:
        table: (n_movies + 1, n_samples, width + 1) each movie's bias, 1 and vector; row 0: the unknown movie.
            By movie, so that a movie's samples are one stretch of memory.
        links: (n_movies + 1, n_samples, width) what each movie in a context says of the user; row 0: the
            unknown movie, which says nothing.
        means: (2, n_samples, 1, width) μ, of users whose links are known and of all.
        precisions: (2, n_samples, 1, width, width) Λ, of both.
        noise: (n_samples, 1, 1, 1) α, one over stars squared.
        overall_mean: stars, a scalar.
    """

    def __init__(
        self,
        *,
        table: Tensor,
        links: Tensor,
        means: Tensor,
        precisions: Tensor,
        noise: Tensor,
        overall_mean: Tensor,
    ) -> None:
        super().__init__()
        self.table: Tensor
        self.links: Tensor
        self.means: Tensor
        self.precisions: Tensor
        self.noise: Tensor
        self.overall_mean: Tensor
        self.register_buffer("table", table)
        self.register_buffer("links", links)
        self.register_buffer("means", means)
        self.register_buffer("precisions", precisions)
        self.register_buffer("noise", noise)
        self.register_buffer("overall_mean", overall_mean)

    @classmethod
    def from_posterior(cls, posterior: Posterior) -> "UserEncoder":
        """Build the encoder of some posterior samples."""
        unknown = torch.from_numpy(posterior.movie_means)[:, None]  # (samples, 1, width)
        means, precisions = (
            torch.from_numpy(np.stack(pair))[:, :, None]
            for pair in (
                (posterior.known_means, posterior.new_means),
                (posterior.known_precisions, posterior.new_precisions),
            )
        )
        vectors = torch.cat([unknown, torch.from_numpy(posterior.movie_vectors)], dim=1).transpose(0, 1)
        links = torch.from_numpy(posterior.movie_links)
        return cls(
            table=torch.cat([vectors[..., :1], torch.ones_like(vectors[..., :1]), vectors[..., 1:]], dim=-1),
            links=torch.cat([torch.zeros_like(links[:, :1]), links], dim=1).transpose(0, 1).contiguous(),
            means=means,
            precisions=precisions,
            noise=torch.from_numpy(posterior.noise_precisions)[:, None, None, None],
            overall_mean=torch.tensor(posterior.overall_mean, dtype=torch.float32),
        )

    def forward(
        self,
        context_movies: Tensor,
        context_stars: Tensor,
        context_weights: Tensor,
        users: Tensor,
        movies: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode n_users contexts and predict n_queries ratings from them.

        Args:
            context_movies: int64 (n_users, length) rows of the vector tables, padded with anything valid.
            context_stars: float32 (n_users, length) their ratings, stars.
            context_weights: float32 (n_users, length) 1 for a rating, 0 for padding.
            users: int64 (n_queries,) which context each query uses.
            movies: int64 (n_queries,) rows of the vector tables.

        Returns:
            The prediction and its standard deviation over the samples, each (n_queries,), stars.
        """
        people = self.solve(context_movies, context_stars, context_weights)
        asked = self.table.index_select(0, movies).transpose(0, 1)  # (samples, n_queries, width + 1)
        members = self.overall_mean + asked[..., 0] + (asked[..., 1:] * people[:, users]).sum(-1)
        mean = members.mean(0)
        spread = ((members - mean) ** 2).mean(0).sqrt()
        return mean, spread

    def solve(self, context_movies: Tensor, context_stars: Tensor, context_weights: Tensor) -> Tensor:
        """The users' vectors, (n_samples, n_users, width); arguments as those of `forward`."""
        rows = self.table.index_select(0, context_movies.flatten())
        rows = rows.reshape(*context_movies.shape, *self.table.shape[1:])
        vectors = rows.movedim(2, 0)  # (samples, n_users, length, width + 1)
        weights = context_weights[None, :, :, None]
        regressors = vectors[..., 1:] * weights
        residuals = (context_stars[None, :, :, None] - self.overall_mean - vectors[..., :1]) * weights
        transposed = regressors.transpose(-1, -2)
        mean, precision = self._expect(context_movies, context_weights)
        # in double precision: elimination in single precision differs between runtimes by up to 1e-4 stars
        matrix = precision + self.noise * (transposed @ regressors).double()
        right = precision @ mean[..., None] + self.noise * (transposed @ residuals).double()
        return solve_positive_definite(matrix, right)[..., 0].float()

    def _expect(self, context_movies: Tensor, context_weights: Tensor) -> tuple[Tensor, Tensor]:
        """The users' prior means and precisions, (n_samples, n_users, width) and (..., width, width)."""
        counts = context_weights.sum(1, keepdim=True)  # (n_users, 1)
        _, n_samples, width = self.links.shape
        links = self.links.index_select(0, context_movies.flatten())
        links = links.reshape(*context_movies.shape, n_samples * width)
        shares = context_weights / (counts + LINK_RATINGS).sqrt()
        linked = (shares[:, None] @ links).reshape(-1, n_samples, width).transpose(0, 1)
        newness = NEW_RATINGS / (counts + NEW_RATINGS)
        mean = self.means[0] + newness * (self.means[1] - self.means[0]) + linked
        precision = self.precisions[0] + newness[..., None] * (self.precisions[1] - self.precisions[0])
        return mean.double(), precision.double()


def solve_positive_definite(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve by Gauss-Jordan elimination, unrolled: ONNX has no operator that solves.

    A positive definite matrix needs no pivoting.

    Args:
        matrix: (..., width, width) symmetric positive definite.
        right: (..., width, 1).

    Returns:
        (..., width, 1).
    """
    width = matrix.shape[-1]
    units = torch.eye(width, dtype=matrix.dtype, device=matrix.device)
    remaining = torch.cat([matrix, right], dim=-1)  # (..., width, columns left + 1)
    for pivot in range(width):
        row = remaining[..., pivot : pivot + 1, :]
        # less one at the pivot, so that its own row is divided by it instead of cleared
        column = remaining[..., :1] - units[:, pivot : pivot + 1]
        remaining = remaining[..., 1:] - column * (row[..., 1:] / row[..., :1])
    return remaining


class Heads(nn.Module):
    """Small multilayer perceptrons side by side on the same standardised inputs.

    Args:
        means: (n_inputs,) mean of each input.
        deviations: (n_inputs,) standard deviation of each input.
        hidden_size: units in each of the two hidden layers.
        n_heads: how many.
        start: what they give before training.
    """

    def __init__(
        self, means: Tensor, deviations: Tensor, *, hidden_size: int, n_heads: int, start: float = 0.0
    ) -> None:
        super().__init__()
        self.means: Tensor
        self.deviations: Tensor
        self.start: Tensor
        self.gain: Tensor
        self.register_buffer("means", means)
        self.register_buffer("deviations", deviations)
        self.register_buffer("start", torch.tensor(start, dtype=torch.float32))
        self.register_buffer("gain", torch.tensor(1.0))
        sizes = (len(means), hidden_size, hidden_size, 1)
        self.weights = nn.ParameterList(
            torch.randn(n_heads, fan_in, fan_out) / fan_in**0.5
            for fan_in, fan_out in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(n_heads, 1, fan_out) for fan_out in sizes[1:])
        with torch.no_grad():
            self.weights[-1].zero_()  # training starts from `start`

    def shrink(self, gain: float) -> None:
        """Draw what the heads give towards `start`.

        Args:
            gain: the share of what they have learned that is kept, 0 to 1.
        """
        self.gain.fill_(gain)

    def forward(self, inputs: Tensor) -> Tensor:
        """Correct: (n_queries, n_inputs) to (n_heads, n_queries), stars."""
        hidden = ((inputs - self.means) / self.deviations).clamp(-5, 5)[None]  # far outliers saturate
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = hidden @ weight + bias
            if layer < last:
                hidden = nn.functional.silu(hidden)
        return self.start + self.gain * hidden[..., 0]


class Intervals(nn.Module):
    """The interval around a prediction: heads give the spread of the error, calibration the width in spreads.

    Args:
        heads: their mean is the logarithm of the error's standard deviation, stars.
        quantiles: (2,) the lower and upper bound of the errors, in standard deviations.
    """

    def __init__(self, heads: Heads, quantiles: Tensor) -> None:
        super().__init__()
        self.heads = heads
        self.quantiles: Tensor
        self.register_buffer("quantiles", quantiles)

    def forward(self, inputs: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Bound the rating: (n_queries, n_inputs) and (n_queries,) to two of (n_queries,), stars."""
        deviations = self.heads(inputs).mean(0).exp()
        return predicted + self.quantiles[0] * deviations, predicted + self.quantiles[1] * deviations


class RatingNetwork(nn.Module):
    """Features, and the encoder where there is one, to the predicted rating and its interval.

    Args:
        encoder: None for the network of the `seed` features.
        heads: trained on the features, followed by the encoder's mean and spread where there is one.
        intervals: takes the same inputs as the heads.
        base: what the heads correct; takes the same inputs, too.
        low: lowest rating of the scale, stars.
        high: highest rating of the scale, stars.
    """

    def __init__(
        self,
        *,
        encoder: UserEncoder | None,
        heads: Heads,
        intervals: Intervals,
        base: Base,
        low: float,
        high: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads
        self.intervals = intervals
        self.base = base
        self.low, self.high = low, high

    def forward(self, features: Tensor, *contexts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict.

        Args:
            features: float32 (n_queries, n_features).
            contexts: with an encoder, the arguments of `UserEncoder.forward`.

        Returns:
            The predicted rating and the bounds of its interval, each (n_queries,) stars within the scale.
        """
        if self.encoder is None:
            return self.correct(features)
        return self.correct(join_inputs(features, *self.encoder(*contexts)))

    def correct(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add the heads' corrections to what they correct, and the interval; see `forward`."""
        predicted = self.base.correct(inputs, self.heads(inputs).mean(0)).clamp(self.low, self.high)
        lowest, highest = self.intervals(inputs, predicted)
        return predicted, lowest.clamp(self.low, self.high), highest.clamp(self.low, self.high)


def join_inputs(features: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """The heads' inputs: features, then the encoder's mean and spread; (n_queries, n_features + 2)."""
    return torch.cat([features, mean[:, None], spread[:, None]], dim=1)


def standardise(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column; a constant column gets deviation 1."""
    deviations = inputs.std(dim=0, unbiased=False)
    return inputs.mean(dim=0), torch.where(deviations > 1e-6, deviations, torch.ones_like(deviations))
