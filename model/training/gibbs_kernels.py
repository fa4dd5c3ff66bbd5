"""The compiled loops of the Gibbs sampler; Numba compiles them on first use and caches them here."""

import numba
import numpy as np


@numba.njit(parallel=True, cache=True, fastmath=True)
def sample_vectors(  # type: ignore[no-untyped-def]
    offsets, others, stars, overall_mean, other_vectors, vectors, prior_information, precision, noise, normals
):
    """Sample every vector of one side given the other side: a Bayesian linear regression each."""
    width = vectors.shape[1]
    for i in numba.prange(len(offsets) - 1):
        matrix = np.zeros((width, width))
        right = np.zeros(width)
        row = np.empty(width)
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            row[0] = 1.0
            for a in range(1, width):
                row[a] = other_vectors[other, a]
            residual = stars[place] - overall_mean - other_vectors[other, 0]
            for a in range(width):
                right[a] += row[a] * residual
                value = row[a]
                for b in range(a + 1):
                    matrix[a, b] += value * row[b]
        for a in range(width):
            right[a] = right[a] * noise + prior_information[i, a]
            for b in range(a + 1):
                matrix[a, b] = matrix[a, b] * noise + precision[a, b]
        _draw_gaussian(matrix, right, normals[i])
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def sample_links(  # type: ignore[no-untyped-def]
    offsets, others, roots, residuals, sums, links, precision, link_precisions, normals
):
    """Sample every user's link given the movies' vectors, one after the other, and keep the sums up to date.

    A movie's residual (its vector less the mean) is the sum of its raters' links over the root of their
    number, plus Gaussian noise of the movies' precision.
    """
    width = links.shape[1]
    matrix = np.empty((width, width))
    right = np.empty(width)
    gathered = np.empty(width)
    for i in range(len(offsets) - 1):
        weight = 0.0
        gathered[:] = 0.0
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            share = 1.0 / roots[other]
            weight += share * share
            for a in range(width):
                gathered[a] += share * (residuals[other, a] - sums[other, a] + share * links[i, a])
        for a in range(width):
            right[a] = 0.0
            for b in range(width):
                right[a] += precision[a, b] * gathered[b]
            for b in range(a + 1):
                matrix[a, b] = precision[a, b] * weight
            matrix[a, a] += link_precisions[a]
        _draw_gaussian(matrix, right, normals[i])
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            for a in range(width):
                sums[other, a] += (right[a] - links[i, a]) / roots[other]
        for a in range(width):
            links[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def _draw_gaussian(matrix, right, normals):  # type: ignore[no-untyped-def]
    """Draw from the Gaussian of a precision matrix and a precision times mean.

    The lower triangle of the matrix becomes its Cholesky factor L; the right side becomes
    mean + L^-T normals.
    """
    width = len(right)
    for a in range(width):
        for b in range(a + 1):
            total = matrix[a, b]
            for c in range(b):
                total -= matrix[a, c] * matrix[b, c]
            matrix[a, b] = np.sqrt(total) if a == b else total / matrix[b, b]
    for a in range(width):
        for c in range(a):
            right[a] -= matrix[a, c] * right[c]
        right[a] /= matrix[a, a]
    for a in range(width):
        right[a] += normals[a]
    for a in range(width - 1, -1, -1):
        for c in range(a + 1, width):
            right[a] -= matrix[c, a] * right[c]
        right[a] /= matrix[a, a]


@numba.njit(parallel=True, cache=True, fastmath=True)
def sum_squared_errors(offsets, others, stars, overall_mean, other_vectors, vectors):  # type: ignore[no-untyped-def]
    """The squared errors of every user's ratings, summed by user: (n_users,) stars squared."""
    squares = np.zeros(len(offsets) - 1)
    for i in numba.prange(len(offsets) - 1):
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            predicted = overall_mean + vectors[i, 0] + other_vectors[other, 0]
            for a in range(1, vectors.shape[1]):
                predicted += vectors[i, a] * other_vectors[other, a]
            squares[i] += (stars[place] - predicted) ** 2
    return squares
