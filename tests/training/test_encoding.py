"""Many contexts at once give what each gives alone."""

import numpy as np
import pytest
import torch
from builders import Rated, make_history
from network_builders import build_network, draw_posterior

from model.history import NO_CUT, History
from model.training.base import Base
from model.training.encoding import encode_queries, encode_strangers, encode_users, predict_queries
from model.training.network import Heads, UserEncoder
from model.views import Contexts, Queries, build_user_contexts

HISTORY = make_history([
    *(Rated(1, movie, 1 + movie % 5) for movie in range(10, 16)),
    Rated(2, 11, 4),
    *(Rated(3, movie, 3) for movie in (10, 12)),
])
USERS = [0, 1, 2, -1]
"""The last has no history."""
ASKED = [(2, 3), (0, 0), (3, 1), (1, -1), (0, 5), (3, -1)]
"""Group and movie index; -1 is a movie that the catalogue does not list."""


def make_contexts(history: History) -> Contexts:
    groups = len(USERS)
    return build_user_contexts(
        history,
        np.array(USERS, dtype=np.int32),
        np.full(groups, NO_CUT, dtype=np.int32),
        np.zeros(groups, dtype=np.int64),
    )


def make_queries(asked: list[tuple[int, int]]) -> Queries:
    n = len(asked)
    return Queries(
        groups=np.array([group for group, _ in asked], dtype=np.int64),
        movies=np.array([movie for _, movie in asked], dtype=np.int32),
        eras=np.zeros(n, dtype=np.int8),
        own_codes=np.zeros(n, dtype=np.uint8),
        days=np.zeros(n, dtype=np.int32),
    )


@pytest.fixture
def encoder(rng: np.random.Generator) -> UserEncoder:
    """Two random samples."""
    return UserEncoder.from_posterior(draw_posterior(rng, n_samples=2, n_movies=HISTORY.n_movies, width=3))


def encode_alone(encoder: UserEncoder, contexts: Contexts, group: int, movie: int) -> tuple[float, float]:
    """One query without padding, straight through the encoder."""
    rows = slice(int(contexts.offsets[group]), int(contexts.offsets[group + 1]))
    mean, spread = encoder(
        torch.from_numpy(contexts.movies[rows].astype(np.int64) + 1)[None],
        torch.from_numpy(contexts.codes[rows] / np.float32(2))[None],
        torch.ones(1, rows.stop - rows.start),
        torch.tensor([0]),
        torch.tensor([movie + 1]),
    )
    return mean.item(), spread.item()


def test_encode_queries_equals_torch_when_each_is_asked_alone(encoder: UserEncoder) -> None:
    """The compiled loops give every query its own answer, in the order asked."""
    contexts = make_contexts(HISTORY)
    means, spreads = encode_queries(encoder, contexts, make_queries(ASKED))
    expected = [encode_alone(encoder, contexts, group, movie) for group, movie in ASKED]
    assert means.numpy() == pytest.approx([mean for mean, _ in expected], abs=1e-5)
    assert spreads.numpy() == pytest.approx([spread for _, spread in expected], abs=1e-5)


def test_encode_strangers_equals_torch_when_context_is_empty(encoder: UserEncoder) -> None:
    """Group 3 has no history; movies may come twice and in any order, unknown ones too."""
    movies = [3, -1, 0, 3]
    expected = [encode_alone(encoder, make_contexts(HISTORY), 3, movie)[0] for movie in movies]
    found = encode_strangers(encoder, np.array(movies, dtype=np.int32))
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_encode_users_equals_the_encoder_when_histories_are_whole(encoder: UserEncoder) -> None:
    """The compiled loops give every user the vectors that torch solves for, behind the 1."""
    vectors = np.empty((HISTORY.n_users, 2, 4), dtype=np.float32)
    encode_users(encoder, HISTORY, vectors)
    for user in range(HISTORY.n_users):
        rows = HISTORY.user_rows(user)
        solved = encoder.solve(
            torch.from_numpy(HISTORY.user_movies[rows].astype(np.int64) + 1)[None],
            torch.from_numpy(HISTORY.user_codes[rows] / np.float32(2))[None],
            torch.ones(1, rows.stop - rows.start),
        )
        assert vectors[user, :, 1:] == pytest.approx(solved[:, 0].numpy(), abs=1e-5)
    assert (vectors[..., 0] == 1).all()


@pytest.mark.parametrize("chunk_ratings", [1, 8, 16_384])
def test_predict_queries_adds_the_heads_when_network_has_an_encoder(
    encoder: UserEncoder, monkeypatch: pytest.MonkeyPatch, chunk_ratings: int
) -> None:
    """With a correction that is the feature itself, each row gets its own feature.

    However many contexts share a batch, and however much is padded.
    """
    monkeypatch.setattr("model.batches.CHUNK_RATINGS", chunk_ratings)
    heads = Heads(torch.zeros(3), torch.ones(3), hidden_size=1, n_heads=1)
    with torch.no_grad():
        heads.weights[0].copy_(torch.tensor([[[1.0], [0.0], [0.0]]]))
        heads.weights[1].fill_(1.0)
        heads.weights[2].fill_(1.0)
    network = build_network(
        heads,
        encoder=encoder,
        base=Base(torch.zeros(2), torch.tensor([[0.0, 1.0, 0.0]] * 2), torch.zeros(3)),
        low=-100.0,
        high=100.0,
    )
    contexts, queries = make_contexts(HISTORY), make_queries(ASKED)
    features = np.arange(len(ASKED), dtype=np.float32)[:, None]
    predicted = predict_queries(network, features, contexts, queries)

    means, _ = encode_queries(encoder, contexts, queries)
    silu = torch.nn.functional.silu
    expected = means + silu(silu(torch.from_numpy(features[:, 0])))
    assert predicted[:, 0] == pytest.approx(expected.numpy(), abs=1e-5)
    assert predicted[:, 1] == pytest.approx(expected.numpy() - 1, abs=1e-5)
    assert predicted[:, 2] == pytest.approx(expected.numpy() + 1, abs=1e-5)


def test_predict_queries_uses_features_alone_when_there_is_no_encoder() -> None:
    """The network of the seed features needs no contexts."""
    heads = Heads(torch.zeros(1), torch.ones(1), hidden_size=1, n_heads=1)
    with torch.no_grad():
        heads.biases[2].fill_(0.5)
    network = build_network(heads)
    predicted = predict_queries(
        network, np.zeros((2, 1), dtype=np.float32), make_contexts(HISTORY), make_queries(ASKED[:2])
    )
    assert predicted.tolist() == [[3.5, 2.5, 4.5], [3.5, 2.5, 4.5]]
