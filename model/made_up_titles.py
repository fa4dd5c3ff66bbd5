"""Titles for movies that nobody made."""

import numpy as np

_ADJECTIVES = (
    "Amber", "Borrowed", "Brass", "Copper", "Crooked", "Distant", "Drifting", "Folded", "Gentle", "Hollow",
    "Lanternlit", "Mended", "Misplaced", "Northern", "Paper", "Patient", "Quiet", "Rainy", "Seventh",
    "Sleepless", "Slow", "Tangled", "Velvet", "Wandering",
)  # fmt: skip
_NOUNS = (
    "Almanac", "Bakery", "Beekeeper", "Café", "Cartographer", "Clockmaker", "Ferry", "Glasshouse", "Harbour",
    "Hatmaker", "Lamplighter", "Lighthouse Cat", "Meadow", "Observatory", "Orchard", "Piano Tuner",
    "Postcard", "Puppeteer", "Quarry", "Snowplough", "Summerhouse", "Tollbooth", "Umbrella", "Viaduct",
)  # fmt: skip
_SEQUEL_EVERY = 12  # one title in so many continues the one before, which gives it a comma


def build_titles(n_movies: int, rng: np.random.Generator) -> list[str]:
    """Make up titles, each of them once.

    Args:
        n_movies: how many.
        rng: puts them in order.
    """
    names = [f"The {adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS]
    shuffled = [names[place] for place in rng.permutation(len(names))]
    titles: list[str] = []
    for number in range(n_movies):
        # Where the names run out they begin again, as later parts.
        part, place = divmod(number - number // _SEQUEL_EVERY, len(shuffled))
        if number % _SEQUEL_EVERY == _SEQUEL_EVERY - 1:
            titles.append(f"{shuffled[place - 1]}, Part {2 * part + 2}")
        else:
            titles.append(shuffled[place] if part == 0 else f"{shuffled[place]}, Part {2 * part + 1}")
    return titles
