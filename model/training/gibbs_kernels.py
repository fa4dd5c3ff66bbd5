"""The compiled loops of the Gibbs sampler; Numba compiles them on first use and caches them here.

A vector's width reaches them as the length of a tuple, which the compiler knows, so that it unrolls the loops
over it: about twice as fast as a width known only at run time.
"""

import numba
import numpy as np

_BLOCK = 4
"""Ratings added to a matrix at once: it is loaded and stored a quarter as often."""


@numba.njit(parallel=True, cache=True, fastmath=True)
def sample_vectors(  # type: ignore[no-untyped-def]
    offsets, others, stars, overall_mean, other_vectors, other_roots, vectors, prior_information, precision,
    noises, normals, dimensions,
):  # fmt: skip
    """Sample every vector of one side given the other side: a Bayesian linear regression each.

    A rating's noise has the precision noises[i] other_roots[other]².
    """
    width = len(dimensions)
    for i in numba.prange(len(offsets) - 1):
        matrix, right = _add_up(
            offsets[i], offsets[i + 1], others, stars, overall_mean, other_vectors, other_roots, dimensions
        )
        for a in range(width):
            right[a] = right[a] * noises[i] + prior_information[i, a]
            for b in range(a, width):
                matrix[a, b] = matrix[a, b] * noises[i] + precision[a, b]
        _draw_gaussian(matrix, right, normals[i], dimensions)
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(parallel=True, cache=True, fastmath=True)
def solve_users(  # type: ignore[no-untyped-def]
    offsets, movies, stars, overall_mean, movie_vectors, links, shares, known_mean, known_precision,
    newness, new_mean, new_precision, noise, vectors, dimensions,
):  # fmt: skip
    """Solve for every user's posterior mean; each one's prior lies between the known and the new."""
    exact = np.ones(len(movie_vectors))  # a movie's ratings are as noisy as any other's
    width = len(dimensions)
    for i in numba.prange(len(offsets) - 1):
        mean = known_mean + newness[i] * (new_mean - known_mean)
        precision = known_precision + newness[i] * (new_precision - known_precision)
        for place in range(offsets[i], offsets[i + 1]):
            for a in range(width):
                mean[a] += shares[i] * links[movies[place], a]
        matrix, right = _add_up(
            offsets[i], offsets[i + 1], movies, stars, overall_mean, movie_vectors, exact, dimensions
        )
        for a in range(width):
            right[a] *= noise
            for b in range(width):
                right[a] += precision[a, b] * mean[b]
            for b in range(a, width):
                matrix[a, b] = matrix[a, b] * noise + precision[a, b]
        _draw_gaussian(matrix, right, np.zeros(width), dimensions)
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def _add_up(  # type: ignore[no-untyped-def]
    first, last, others, stars, overall_mean, other_vectors, other_roots, dimensions
):
    """The upper triangle of Σ x xᵀ, and Σ x residual, over a stretch of ratings; x = root · (1, vector)."""
    width = len(dimensions)
    matrix = np.zeros((width, width))
    right = np.zeros(width)
    rows = np.zeros((_BLOCK, width))
    for start in range(first, last, _BLOCK):
        for k in range(_BLOCK):
            if start + k < last:
                other = others[start + k]
                root = other_roots[other]
                residual = root * (stars[start + k] - overall_mean - other_vectors[other, 0])
                rows[k, 0] = root
                right[0] += root * residual
                for a in range(1, width):
                    rows[k, a] = root * other_vectors[other, a]
                    right[a] += rows[k, a] * residual
            else:
                rows[k] = 0.0
        for a in range(width):
            p, q, r, s = rows[0, a], rows[1, a], rows[2, a], rows[3, a]
            for b in range(a, width):
                matrix[a, b] += p * rows[0, b] + q * rows[1, b] + r * rows[2, b] + s * rows[3, b]
    return matrix, right


@numba.njit(cache=True, fastmath=True)
def sample_links(  # type: ignore[no-untyped-def]
    offsets, others, shares, unexplained, links, precisions, normals, dimensions
):
    """Sample every link of one side given the other side's vectors, one after the other.

    A vector less the mean of all is the sum of its raters' links, each times the vector's share, plus
    Gaussian noise of the precisions, one a dimension; the links' prior has mean zero and precision one. What
    the links leave unexplained is kept up to date: it is all that is read at random, twice a rating.
    """
    width = len(dimensions)
    gathered = np.empty(width)
    for i in range(len(offsets) - 1):
        weight = 0.0
        gathered[:] = 0.0
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            share = shares[other]
            weight += share * share
            for a in range(width):
                gathered[a] += share * unexplained[other, a]
        for a in range(width):
            known = weight * precisions[a] + 1.0
            mean = precisions[a] * (gathered[a] + weight * links[i, a]) / known
            drawn = mean + normals[i, a] / np.sqrt(known)
            gathered[a] = drawn - links[i, a]
            links[i, a] = drawn
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            share = shares[other]
            for a in range(width):
                unexplained[other, a] -= gathered[a] * share


@numba.njit(cache=True, fastmath=True)
def _draw_gaussian(matrix, right, normals, dimensions):  # type: ignore[no-untyped-def]
    """Draw from the Gaussian of a precision matrix and a precision times mean.

    The upper triangle of the matrix becomes its Cholesky factor U (matrix = U^T U); the right side becomes
    mean + U^-1 normals.
    """
    width = len(dimensions)
    for a in range(width):
        scale = 1.0 / np.sqrt(matrix[a, a])
        for b in range(a, width):
            matrix[a, b] *= scale
        solved = right[a] * scale
        right[a] = solved
        for c in range(a + 1, width):
            factor = matrix[a, c]
            right[c] -= factor * solved
            for b in range(c, width):
                matrix[c, b] -= factor * matrix[a, b]
    for a in range(width - 1, -1, -1):
        total = right[a] + normals[a]
        for c in range(a + 1, width):
            total -= matrix[a, c] * right[c]
        right[a] = total / matrix[a, a]


@numba.njit(parallel=True, cache=True, fastmath=True)
def sum_squared_errors(  # type: ignore[no-untyped-def]
    offsets, others, stars, overall_mean, other_vectors, vectors, dimensions
):
    """The squared errors of every user's ratings, summed by user: (n_users,) stars squared."""
    width = len(dimensions)
    squares = np.zeros(len(offsets) - 1)
    for i in numba.prange(len(offsets) - 1):
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            predicted = overall_mean + vectors[i, 0] + other_vectors[other, 0]
            for a in range(1, width):
                predicted += vectors[i, a] * other_vectors[other, a]
            squares[i] += (stars[place] - predicted) ** 2
    return squares
