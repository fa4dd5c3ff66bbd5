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
    offsets, others, stars, overall_mean, other_vectors, vectors, prior_information, precision, noise,
    normals, dimensions,
):  # fmt: skip
    """Sample every vector of one side given the other side: a Bayesian linear regression each."""
    width = len(dimensions)
    for i in numba.prange(len(offsets) - 1):
        matrix = np.zeros((width, width))  # its upper triangle
        right = np.zeros(width)
        rows = np.zeros((_BLOCK, width))
        for first in range(offsets[i], offsets[i + 1], _BLOCK):
            for k in range(_BLOCK):
                if first + k < offsets[i + 1]:
                    other = others[first + k]
                    residual = stars[first + k] - overall_mean - other_vectors[other, 0]
                    rows[k, 0] = 1.0
                    right[0] += residual
                    for a in range(1, width):
                        rows[k, a] = other_vectors[other, a]
                        right[a] += other_vectors[other, a] * residual
                else:
                    rows[k] = 0.0
            for a in range(width):
                p, q, r, s = rows[0, a], rows[1, a], rows[2, a], rows[3, a]
                for b in range(a, width):
                    matrix[a, b] += p * rows[0, b] + q * rows[1, b] + r * rows[2, b] + s * rows[3, b]
        for a in range(width):
            right[a] = right[a] * noise + prior_information[i, a]
            for b in range(a, width):
                matrix[a, b] = matrix[a, b] * noise + precision[a, b]
        _draw_gaussian(matrix, right, normals[i], dimensions)
        for a in range(width):
            vectors[i, a] = right[a]


@numba.njit(cache=True, fastmath=True)
def sample_links(  # type: ignore[no-untyped-def]
    offsets, others, roots, residuals, sums, links, precision, link_precisions, normals, dimensions
):
    """Sample every user's link given the movies' vectors, one after the other, and keep the sums up to date.

    A movie's residual (its vector less the mean) is the sum of its raters' links over the root of their
    number, plus Gaussian noise of the movies' precision.
    """
    width = len(dimensions)
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
                matrix[a, b] = precision[a, b] * weight
            matrix[a, a] += link_precisions[a]
        _draw_gaussian(matrix, right, normals[i], dimensions)
        for a in range(width):
            gathered[a] = right[a] - links[i, a]
            links[i, a] = right[a]
        for place in range(offsets[i], offsets[i + 1]):
            other = others[place]
            share = 1.0 / roots[other]
            for a in range(width):
                sums[other, a] += gathered[a] * share


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
