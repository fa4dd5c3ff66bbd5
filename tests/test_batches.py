"""Contexts as rectangles."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from model.batches import CHUNK_RATINGS, INPUT_NAMES, ContextBatch, batch_contexts
from model.history import NO_CUT, UNKNOWN
from model.views import Contexts, Queries


def make_contexts(lengths: list[int]) -> Contexts:
    """Contexts of these lengths; rating j of group i is of movie 7 i + j with code 1 + (i + j) % 10."""
    groups = np.repeat(np.arange(len(lengths)), lengths)
    offsets = np.cumsum([0, *lengths])
    places = np.arange(len(groups)) - offsets[groups]
    return Contexts(
        users=np.arange(len(lengths), dtype=np.int32),
        views=np.zeros(len(lengths), dtype=np.int64),
        as_of=np.full(len(lengths), NO_CUT, dtype=np.int32),
        offsets=offsets,
        movies=(7 * groups + places).astype(np.int32),
        codes=(1 + (groups + places) % 10).astype(np.uint8),
        days=np.zeros(len(groups), dtype=np.int32),
    )


def make_queries(asked: list[tuple[int, int]]) -> Queries:
    """Queries from pairs of group and movie index."""
    return Queries(
        groups=np.array([group for group, _ in asked], dtype=np.int64),
        movies=np.array([movie for _, movie in asked], dtype=np.int32),
        eras=np.zeros(len(asked), dtype=np.int8),
        own_codes=np.zeros(len(asked), dtype=np.uint8),
        days=np.zeros(len(asked), dtype=np.int32),
    )


def test_batch_contexts_pads_shorter_contexts_when_lengths_differ() -> None:
    """Group 0 has codes 1 and 2 of movies 0 and 1, group 1 code 2 of movie 7; movie i is row i + 1.

    The shorter context comes first; movie index -1, which nobody has rated, is row 0.
    """
    queries = make_queries([(0, 5), (1, UNKNOWN), (0, 3)])
    (batch,) = batch_contexts(make_contexts([2, 1]), queries)
    assert batch.rows.tolist() == [1, 0, 2]
    assert batch.context_movies.tolist() == [[8, 0], [1, 2]]
    assert batch.context_stars.tolist() == [[1.0, 0.0], [0.5, 1.0]]
    assert batch.context_weights.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert batch.users.tolist() == [0, 1, 1]
    assert batch.movies.tolist() == [0, 6, 4]


def test_batch_contexts_gives_one_column_of_padding_when_all_contexts_are_empty() -> None:
    """The network never sees a rectangle without columns."""
    (batch,) = batch_contexts(make_contexts([0, 0]), make_queries([(0, 1), (1, 2)]))
    assert batch.context_movies.tolist() == [[0], [0]]
    assert batch.context_weights.tolist() == [[0.0], [0.0]]


def test_batch_contexts_leaves_groups_out_when_nobody_asks_for_them() -> None:
    """Group 0, the longest, has no query."""
    (batch,) = batch_contexts(make_contexts([50, 1]), make_queries([(1, 3)]))
    assert batch.context_movies.shape == (1, 1)


def test_batch_contexts_yields_nothing_when_nothing_is_asked() -> None:
    """No query, no batch."""
    assert list(batch_contexts(make_contexts([3]), make_queries([]))) == []


def test_batch_contexts_has_the_types_that_the_network_takes() -> None:
    """Rows are int64, numbers float32; every input but the features is a column of the batch."""
    (batch,) = batch_contexts(make_contexts([2]), make_queries([(0, 5)]))
    types = {name: getattr(batch, name).dtype.name for name in INPUT_NAMES if name != "features"}
    assert types == {
        "context_movies": "int64",
        "context_stars": "float32",
        "context_weights": "float32",
        "users": "int64",
        "movies": "int64",
    }


def padded_sizes(batches: list[ContextBatch]) -> list[int]:
    """Ratings of each batch, padding included, where it holds more than one context."""
    return [batch.context_movies.size for batch in batches if len(batch.context_movies) > 1]


def test_batch_contexts_splits_when_a_rectangle_would_be_too_large() -> None:
    """Three contexts of 6,000: two make 12,000, three would make 18,000, more than 16,384."""
    contexts = make_contexts([6_000, 6_000, 6_000])
    batches = list(batch_contexts(contexts, make_queries([(0, 1), (1, 1), (2, 1)])))
    assert CHUNK_RATINGS == 16_384
    assert [batch.context_movies.shape for batch in batches] == [(2, 6_000), (1, 6_000)]


def test_batch_contexts_keeps_a_context_whole_when_it_alone_is_too_large() -> None:
    """One user with 20,000 ratings is one batch; another does not share it."""
    contexts = make_contexts([20_000, 2])
    batches = list(batch_contexts(contexts, make_queries([(0, 1), (1, 1)])))
    assert [batch.context_movies.shape for batch in batches] == [(1, 2), (1, 20_000)]


def test_batch_contexts_bounds_the_rectangle_when_contexts_are_empty() -> None:
    """20,000 empty contexts take a column of padding each: they do not fit one batch of 16,384."""
    n_groups = 20_000
    asked = [(group, 1) for group in range(n_groups)]
    batches = list(batch_contexts(make_contexts([0] * n_groups), make_queries(asked)))
    assert sum(len(batch.rows) for batch in batches) == n_groups
    assert max(padded_sizes(batches)) <= CHUNK_RATINGS


@given(
    lengths=st.lists(st.integers(0, 5_000), min_size=1, max_size=12),
    picks=st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 30)), max_size=30),
)
@settings(deadline=None, max_examples=40)
def test_batch_contexts_yields_every_query_once_with_its_context_when_random(
    lengths: list[int], picks: list[tuple[int, int]]
) -> None:
    """Put together again, the batches hold each query with its own ratings and nothing else."""
    contexts = make_contexts(lengths)
    asked = [(group % len(lengths), movie) for group, movie in picks]
    batches = list(batch_contexts(contexts, make_queries(asked)))
    rows = [int(row) for batch in batches for row in batch.rows]
    assert sorted(rows) == list(range(len(asked)))
    assert all(size <= CHUNK_RATINGS for size in padded_sizes(batches))
    for batch in batches:
        for row, user, movie in zip(batch.rows, batch.users, batch.movies, strict=True):
            group, asked_movie = asked[row]
            assert movie == asked_movie + 1
            expected = slice(contexts.offsets[group], contexts.offsets[group + 1])
            real = batch.context_weights[user] == 1
            assert (batch.context_movies[user][real] - 1 == contexts.movies[expected]).all()
            assert (batch.context_stars[user][real] == contexts.codes[expected] / 2).all()
            assert not batch.context_movies[user][~real].any()
            assert not batch.context_stars[user][~real].any()
            assert not batch.context_weights[user][~real].any()
