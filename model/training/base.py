"""What the heads correct: the encoder's prediction and plain biases, mixed as the held-out rows say."""

import torch
from torch import Tensor, nn

ENCODER_TRUST, TRUST_ROWS = 0.5, 1_000
"""How much of the base is believed to be the encoder's, as if this many rows had said so."""
NEWNESS_POWER = 0.5
"""A user with n ratings is new by (1 + n) to the power of minus this. With 1 instead, the base alone has an
RMSE up to 0.004 higher for users with one to twenty ratings (decision: short-histories)."""
STRANGERS_TRUST = 0.5
"""How much of the encoder's share for users without ratings is kept. It is found on people of the same time
as those that the encoder learned from; of people to come it is worth less (period cuts of movielens-small,
decision: short-histories)."""
MIXING_ROWS = 10_000
"""From this many rows the heads find half of the best mix by themselves, row by row, which is better: with
more, the base goes back to the encoder (RMSE on validation rows of movielens-small, mean of three seeds:
0.8376 with the encoder alone, 0.8387 with the mix)."""


class Base(nn.Module):
    """Two sums that are linear in the heads' inputs: one for a user known well, one for somebody new.

    A user with n ratings gets 1 / √(1 + n) of the second and the rest of the first. Without ratings there is
    nothing to correct: neighbours are no nearer than anybody.

    Args:
        constants: (2,) the constant part of each, stars.
        weights: (2, n_inputs) the weight of each input.
        log_count: (n_inputs,) picks half of log(1 + n) among the inputs; nothing where everybody gets the
            same, and corrections.
    """

    def __init__(self, constants: Tensor, weights: Tensor, log_count: Tensor) -> None:
        super().__init__()
        self.constants: Tensor
        self.weights: Tensor
        self.log_count: Tensor
        self.for_all: Tensor
        self.register_buffer("constants", constants)
        self.register_buffer("weights", weights)
        self.register_buffer("log_count", log_count)
        self.register_buffer("for_all", (~log_count.any()).to(log_count.dtype))

    @classmethod
    def constant(cls, value: float, n_inputs: int) -> "Base":
        """The same for everybody.

        Args:
            value: stars.
            n_inputs: how many inputs are ignored.
        """
        return cls(torch.full((2,), value), torch.zeros(2, n_inputs), torch.zeros(n_inputs))

    @classmethod
    def encoder_alone(cls, n_inputs: int) -> "Base":
        """The encoder's mean for everybody.

        Args:
            n_inputs: the inputs, of which it is the last but one.
        """
        encoder = torch.zeros(n_inputs)
        encoder[-2] = 1.0
        return cls(torch.zeros(2), encoder.repeat(2, 1), torch.zeros(n_inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute (n_queries,) stars from (n_queries, n_inputs)."""
        known, new = (self.constants + inputs @ self.weights.T).unbind(-1)
        return known + measure_newness(inputs, self.log_count) * (new - known)

    def correct(self, inputs: Tensor, corrections: Tensor) -> Tensor:
        """Add what heads make of the same inputs, but for users without ratings.

        Args:
            inputs: (n_queries, n_inputs).
            corrections: (n_queries,) stars.

        Returns:
            (n_queries,) stars.
        """
        is_known = torch.sign(inputs @ self.log_count + self.for_all)
        total: Tensor = self(inputs) + is_known * corrections
        return total


def measure_newness(inputs: Tensor, log_count: Tensor) -> Tensor:
    """Compute 1 / √(1 + n) for users with n ratings; (n_queries, n_inputs) to (n_queries,)."""
    return (-(inputs @ log_count)).exp()


def mix_base(
    inputs: Tensor,
    strangers: Tensor,
    is_early: Tensor,
    stars: Tensor,
    overall_mean: float,
    names: tuple[str, ...],
) -> Base:
    """Weigh the encoder against the plain biases, by least squares on the held-out rows.

    Where there is much to go by, nearly all is the encoder's; with a few users or a rating or two a movie, it
    may be worse than the biases, and a mean of both is better than either. The same goes for users without
    ratings, whatever the size of the data: those who rated a movie chose it, and the encoder, which makes up
    for what they are like, asks what a user drawn at random would give. So their mix is found from the held-
    out ones of everybody's first ratings, asked for as if nothing were known of who gave them, with a
    constant for how much better people like what they choose. From all rows comes, with the mix for users
    known well, how much of the user's bias to believe while ratings are few.

    Args:
        inputs: (n, n_features + 2) the heads' inputs.
        strangers: (n,) what the encoders say of the same movies for users without ratings, stars.
        is_early: (n,) whether the row is one of its user's first ratings.
        stars: (n,) actual ratings.
        overall_mean: of all ratings, stars.
        names: the features, with the biases of user and movie and the user's count.
    """
    n_features = len(names)
    user, movie, encoder, log_count = torch.zeros(4, n_features + 2)
    for name, column, weight in (
        ("user_bias", user, 1.0), ("movie_bias", movie, 1.0), ("user_count", log_count, NEWNESS_POWER),
    ):  # fmt: skip
        column[names.index(name)] = weight
    encoder[n_features] = 1.0

    plain = overall_mean + inputs[is_early] @ movie
    gains, missed = (strangers[is_early] - plain).double(), (stars[is_early] - plain).double()
    columns = torch.stack([torch.ones_like(gains), gains], dim=1)
    new_share = STRANGERS_TRUST * _regress(columns, missed, [0.0, ENCODER_TRUST])[1].clamp(0, 1)
    [shift] = _regress(columns[:, :1], missed - new_share * gains, [0.0])

    biases = user + movie
    plain = overall_mean + inputs @ biases
    gains, missed = (inputs @ encoder - plain).double(), (stars - plain).double()
    newness = measure_newness(inputs, log_count).double()
    missed -= newness * (shift + new_share * gains)
    columns = torch.stack([(1 - newness) * gains, newness * (inputs @ user)], dim=1)
    share, user_weight = _regress(columns, missed, [ENCODER_TRUST, 0.0])
    # heads cannot do the same for users with few ratings: of those they see few rows
    share = 1 - (1 - share.clamp(0, 1)) * MIXING_ROWS / (len(stars) + MIXING_ROWS)

    shares = torch.stack([share, new_share]).float()
    constants = (1 - shares) * overall_mean
    weights = (1 - shares)[:, None] * biases + shares[:, None] * encoder
    constants[1] += shift
    weights[1] += user_weight * user
    return Base(constants, weights, log_count)


def _regress(columns: Tensor, wanted: Tensor, expected: list[float]) -> Tensor:
    """The weights of columns that give what is wanted.

    As if `TRUST_ROWS` more rows, on average like those given, had said the expected ones.
    """
    worth = (columns.square().sum(0) / max(len(columns), 1) * TRUST_ROWS).clamp_min(1e-9)
    squares = columns.T @ columns + worth.diag()
    weights: Tensor = torch.linalg.solve(squares, columns.T @ wanted + worth * worth.new_tensor(expected))
    return weights
