"""The user encoder against its closed form in NumPy, the solver against LAPACK, and the heads."""

import dataclasses

import numpy as np
import pytest
import torch
from network_builders import OVERALL_MEAN, build_network, draw_posterior, draw_precision
from numpy.typing import NDArray

from model.training.base import Base
from model.training.gibbs import Posterior
from model.training.network import (
    Heads,
    UserEncoder,
    join_inputs,
    solve_positive_definite,
    standardise,
)

N_SAMPLES, N_MOVIES, WIDTH = 3, 6, 4


@pytest.fixture
def posterior(rng: np.random.Generator) -> Posterior:
    """Three random samples of six movies."""
    return draw_posterior(rng, n_samples=N_SAMPLES, n_movies=N_MOVIES, width=WIDTH)


def predict_members(posterior: Posterior, context: dict[int, float], movie: int | None) -> list[float]:
    """What each sample predicts, by the textbook: a regression of the residuals on (1, tastes).

    Its prior is between the known users' and all users', and the links of what the user rated move its mean.

    Args:
        posterior: the samples.
        context: the user's ratings, by movie index.
        movie: a movie index; None is the unknown movie.
    """
    members = []
    for sample in range(N_SAMPLES):
        vectors = posterior.movie_vectors[sample].astype(np.float64)
        regressors = np.array([[1.0, *vectors[rated, 1:]] for rated in context]).reshape(-1, WIDTH)
        residuals = np.array([stars - OVERALL_MEAN - vectors[rated, 0] for rated, stars in context.items()])
        new = 50 / (len(context) + 50)
        precision = (1 - new) * posterior.known_precisions[sample].astype(np.float64)
        precision += new * posterior.new_precisions[sample]
        noise = float(posterior.noise_precisions[sample])
        prior_mean = (1 - new) * posterior.known_means[sample].astype(np.float64)
        prior_mean += new * posterior.new_means[sample]
        for rated in context:
            prior_mean += posterior.movie_links[sample, rated] / (len(context) + 20) ** 0.5
        person = np.linalg.solve(
            precision + noise * regressors.T @ regressors,
            precision @ prior_mean + noise * regressors.T @ residuals,
        )
        asked = posterior.movie_means[sample] if movie is None else vectors[movie]
        members.append(float(OVERALL_MEAN + asked[0] + person[0] + asked[1:] @ person[1:]))
    return members


def encode(
    posterior: Posterior, context: list[tuple[int, float]], movies: list[int], *, padding: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the encoder on one user; rows of the movie table are movie indexes plus one, 0 is unknown."""
    rows = [rated + 1 for rated, _ in context] + [3] * padding
    stars = [given for _, given in context] + [99.0] * padding
    weights = [1.0] * len(context) + [0.0] * padding
    mean, spread = UserEncoder.from_posterior(posterior)(
        torch.tensor([rows], dtype=torch.int64),
        torch.tensor([stars]),
        torch.tensor([weights]),
        torch.zeros(len(movies), dtype=torch.int64),
        torch.tensor(movies),
    )
    return mean.numpy(), spread.numpy()


@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_solver_equals_lapack_when_matrix_is_positive_definite(width: int, rng: np.random.Generator) -> None:
    """The unrolled elimination gives what numpy.linalg.solve gives, for a whole batch of systems."""
    matrix = draw_precision(rng, 2, 3, width=width).astype(np.float64)
    right = rng.normal(size=(2, 3, width, 1))
    solved = solve_positive_definite(torch.from_numpy(matrix), torch.from_numpy(right)).numpy()
    assert solved == pytest.approx(np.linalg.solve(matrix, right), abs=1e-8)


def test_solver_stays_accurate_when_single_precision_is_badly_conditioned(rng: np.random.Generator) -> None:
    """A thousand ratings against a weak prior, in float32: within 1e-3 of the exact solution."""
    regressors = rng.normal(size=(1000, 8))
    matrix = np.eye(8) * 0.1 + 2 * regressors.T @ regressors
    right = regressors.T @ rng.normal(size=(1000, 1))
    solved = solve_positive_definite(torch.from_numpy(matrix).float(), torch.from_numpy(right).float())
    assert solved.numpy() == pytest.approx(np.linalg.solve(matrix, right), abs=1e-3)


@pytest.mark.parametrize("context", [{}, {2: 4.0}, {0: 1.0, 5: 5.0, 3: 2.0}])
@pytest.mark.parametrize("movie", [None, 1, 5])
def test_encoder_equals_closed_form_when_context_is_given(
    posterior: Posterior, context: dict[int, float], movie: int | None
) -> None:
    """Mean and spread are those of the samples' closed forms, for known and unknown movies."""
    members = predict_members(posterior, context, movie)
    [mean], [spread] = encode(posterior, list(context.items()), [0 if movie is None else movie + 1])
    assert mean == pytest.approx(np.mean(members), abs=1e-4)
    assert spread == pytest.approx(np.std(members), abs=1e-4)


def test_encoder_predicts_prior_mean_when_context_is_empty(posterior: Posterior) -> None:
    """Without ratings a user is the prior's mean: overall mean + movie bias + μ · (1, tastes)."""
    by_hand = [
        OVERALL_MEAN + movie[0] + mean[0] + mean[1:] @ movie[1:]
        for movie, mean in zip(posterior.movie_vectors[:, 4], posterior.new_means, strict=True)
    ]
    [mean], _ = encode(posterior, [], [5], padding=1)
    assert mean == pytest.approx(np.mean(by_hand), abs=1e-4)


def test_encoder_moves_prior_mean_by_links_when_ratings_tell_nothing(posterior: Posterior) -> None:
    """Were the ratings all noise, a user of two movies would be μ + (link + link) / √22, of none μ."""
    deaf = dataclasses.replace(posterior, noise_precisions=np.zeros(N_SAMPLES, dtype=np.float32))
    encoder = UserEncoder.from_posterior(deaf)
    solved = encoder.solve(
        torch.tensor([[3, 6, 1], [2, 2, 2]]),
        torch.ones(2, 3),
        torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
    )
    links = posterior.movie_links
    expected = (2 * posterior.known_means + 50 * posterior.new_means) / 52
    expected += (links[:, 2] + links[:, 5]) / np.sqrt(22)
    assert solved[:, 0].numpy() == pytest.approx(expected, abs=1e-4)
    assert solved[:, 1].numpy() == pytest.approx(posterior.new_means, abs=1e-4)


def test_encoder_counts_unknown_movies_without_a_link_when_rated(posterior: Posterior) -> None:
    """A movie nobody has rated before adds nothing, but is one of the user's two ratings."""
    deaf = dataclasses.replace(posterior, noise_precisions=np.zeros(N_SAMPLES, dtype=np.float32))
    solved = UserEncoder.from_posterior(deaf).solve(
        torch.tensor([[3, 0]]), torch.ones(1, 2), torch.ones(1, 2)
    )
    expected = (2 * posterior.known_means + 50 * posterior.new_means) / 52
    expected += posterior.movie_links[:, 2] / np.sqrt(22)
    assert solved[:, 0].numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("padding", [1, 7])
def test_encoder_ignores_padding_when_its_weight_is_zero(posterior: Posterior, padding: int) -> None:
    """Padding may hold any movie and any stars."""
    context = [(0, 1.0), (5, 5.0), (3, 2.0)]
    plain, plain_spread = encode(posterior, context, [2, 0])
    padded, padded_spread = encode(posterior, context, [2, 0], padding=padding)
    assert padded == pytest.approx(plain, abs=1e-5)
    assert padded_spread == pytest.approx(plain_spread, abs=1e-5)


def test_encoder_ignores_order_when_context_is_shuffled(posterior: Posterior) -> None:
    """A context is a set."""
    context = [(0, 1.0), (5, 5.0), (3, 2.0), (1, 4.0)]
    forwards, _ = encode(posterior, context, [2, 3, 5])
    backwards, _ = encode(posterior, context[::-1], [2, 3, 5])
    assert forwards == pytest.approx(backwards, abs=1e-5)


def test_encoder_keeps_users_apart_when_a_batch_has_two(posterior: Posterior) -> None:
    """Each query reads the context that it names."""
    encoder = UserEncoder.from_posterior(posterior)
    mean, _ = encoder(
        torch.tensor([[3, 1], [6, 0]]),
        torch.tensor([[4.0, 1.0], [5.0, 0.0]]),
        torch.tensor([[1.0, 1.0], [1.0, 0.0]]),
        torch.tensor([1, 0, 1]),
        torch.tensor([2, 2, 0]),
    )
    expected = [
        np.mean(predict_members(posterior, {5: 5.0}, 1)),
        np.mean(predict_members(posterior, {2: 4.0, 0: 1.0}, 1)),
        np.mean(predict_members(posterior, {5: 5.0}, None)),
    ]
    assert mean.numpy() == pytest.approx(expected, abs=1e-4)


def test_heads_correct_nothing_when_untrained() -> None:
    """Training starts from what is corrected, the same for every head."""
    heads = Heads(torch.zeros(2), torch.ones(2), hidden_size=3, n_heads=4)
    assert heads(torch.tensor([[1.0, -2.0], [0.0, 7.0], [3.0, 3.0]])).tolist() == [[0.0] * 3] * 4


def test_heads_compute_two_silu_layers_when_weights_are_known() -> None:
    """(6 - 2) / 4 = 1, silu(1) = 0.7311, silu(2 x 0.7311) = 1.1868, times 3, plus 0.5."""
    heads = Heads(torch.tensor([2.0]), torch.tensor([4.0]), hidden_size=1, n_heads=1)
    with torch.no_grad():
        for weight, value in zip(heads.weights, (1.0, 2.0, 3.0), strict=True):
            weight.fill_(value)
        heads.biases[2].fill_(0.5)

    def silu(value: float) -> float:
        return float(value / (1 + np.exp(-value)))

    assert heads(torch.tensor([[6.0]])).item() == pytest.approx(3 * silu(2 * silu(1.0)) + 0.5, abs=1e-5)
    # five standard deviations above the mean is 22: beyond it nothing changes
    assert heads(torch.tensor([[22.0]])).item() == heads(torch.tensor([[1e6]])).item()
    assert heads(torch.tensor([[21.0]])).item() != heads(torch.tensor([[22.0]])).item()


def test_standardise_gives_mean_and_deviation_when_columns_vary() -> None:
    """Mean 2 and deviation 1 of (1, 3); a constant column gets deviation 1, so that it divides by nothing."""
    means, deviations = standardise(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    assert means.tolist() == [2.0, 7.0]
    assert deviations.tolist() == [1.0, 1.0]


def test_join_inputs_appends_mean_and_spread_when_features_are_given() -> None:
    """The encoder's two numbers are the last columns."""
    joined = join_inputs(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]), torch.tensor([4.0]))
    assert joined.tolist() == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize(
    ("corrections", "expected"), [((0.5, 1.5), 4.0), ((9.0, 0.0), 5.0), ((-9.0, 0.0), 1.0)]
)
def test_network_averages_heads_and_clips_when_there_is_no_encoder(
    corrections: tuple[float, float], expected: float
) -> None:
    """Base 3 plus the mean of the heads' corrections, within 1 to 5."""
    heads = Heads(torch.zeros(1), torch.ones(1), hidden_size=1, n_heads=2)
    with torch.no_grad():
        heads.biases[2].copy_(torch.tensor(corrections).reshape(2, 1, 1))
    network = build_network(heads)
    predicted, low, high = network(torch.zeros(1, 1))
    assert predicted.tolist() == [expected]
    assert (low.item(), high.item()) == (max(expected - 1, 1.0), min(expected + 1, 5.0))


def test_network_corrects_its_base_when_there_is_an_encoder(posterior: Posterior) -> None:
    """The heads' correction, 1, is added to 0.25 + 2 x the feature + half the encoder's mean."""
    encoder = UserEncoder.from_posterior(posterior)
    heads = Heads(torch.zeros(3), torch.ones(3), hidden_size=1, n_heads=1)
    with torch.no_grad():
        heads.biases[2].fill_(1.0)
    network = build_network(
        heads,
        encoder=encoder,
        base=Base(torch.full((2,), 0.25), torch.tensor([[2.0, 0.5, 0.0]] * 2), torch.zeros(3)),
        low=-100.0,
        high=100.0,
    )
    context = [torch.tensor([[3]]), torch.tensor([[4.0]]), torch.tensor([[1.0]])]
    asked = [torch.tensor([0]), torch.tensor([2])]
    mean = np.mean(predict_members(posterior, {2: 4.0}, 1))
    predicted = network(torch.tensor([[3.0]]), *context, *asked)[0].item()
    assert predicted == pytest.approx(1 + 0.25 + 2 * 3 + mean / 2, abs=1e-4)


def test_network_corrects_nothing_when_user_has_no_ratings(posterior: Posterior) -> None:
    """The base is 2 x the feature, which is half of log(1 + n) here; with one rating the heads add 1."""
    heads = Heads(torch.zeros(3), torch.ones(3), hidden_size=1, n_heads=1)
    with torch.no_grad():
        heads.biases[2].fill_(1.0)
    weights, log_count = torch.tensor([[2.0, 0.0, 0.0]] * 2), torch.tensor([0.5, 0.0, 0.0])
    base = Base(torch.zeros(2), weights, log_count)
    encoder = UserEncoder.from_posterior(posterior)
    network = build_network(heads, encoder=encoder, base=base, low=-100.0, high=100.0)
    contexts = [torch.tensor([[3], [3]]), torch.tensor([[4.0], [4.0]]), torch.tensor([[0.0], [1.0]])]
    counts = torch.tensor([[0.0], [float(np.log(2))]])
    predicted = network(counts, *contexts, torch.tensor([0, 1]), torch.tensor([2, 2]))[0]
    assert predicted.tolist() == pytest.approx([0.0, 2 * np.log(2) + 1])


def test_heads_give_less_of_what_they_learned_when_shrunk() -> None:
    """Start 2 and learned 0.5: a gain of a quarter gives 2 + 0.125."""
    heads = Heads(torch.zeros(1), torch.ones(1), hidden_size=1, n_heads=1, start=2.0)
    assert heads(torch.ones(1, 1)).tolist() == [[2.0]]
    with torch.no_grad():
        heads.biases[2].fill_(0.5)
        assert heads(torch.ones(1, 1)).tolist() == [[2.5]]
        heads.shrink(0.25)
        assert heads(torch.ones(1, 1)).tolist() == [[2.125]]


def test_network_trains_only_the_heads_when_it_has_an_encoder(posterior: Posterior) -> None:
    """The encoder is fixed: none of its tables is a parameter."""
    heads = Heads(torch.zeros(3), torch.ones(3), hidden_size=1, n_heads=1)
    network = build_network(heads, encoder=UserEncoder.from_posterior(posterior), base=Base.constant(0.0, 3))
    assert {name.partition(".")[0] for name, _ in network.named_parameters()} == {"heads", "intervals"}
