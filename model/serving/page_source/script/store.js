/* The visitor's ratings, kept in the browser where it lets us and for this visit where it does not. */

const MOST_RATINGS = 60; // a batch repeats them for each movie, and a request may have 256 KiB

function localStorageOrNone() {
  try {
    return window.localStorage;
  } catch {
    return null; // blocked by a privacy setting
  }
}

function sessionStorageOrNone() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

function recall(storage, name) {
  try {
    return storage?.getItem(name) ?? null;
  } catch {
    return null;
  }
}

function keep(storage, name, value) {
  try {
    storage?.setItem(name, value);
  } catch {
    // Full or forbidden: the ratings live as long as the page does.
  }
}

/** The ratings by movie, in the order they were given. */
class Store {
  constructor() {
    this.ratings = new Map();
    this.listeners = [];
    this.name = "four-neighbours.ratings";
  }

  /** Read what an earlier visit left for this data set; ids of another one would mean other movies. */
  open(fingerprint, scale) {
    this.name = `four-neighbours.ratings.${fingerprint}`;
    let left = [];
    try {
      left = JSON.parse(recall(localStorageOrNone(), this.name)) ?? [];
    } catch {
      // Not ours, or cut short.
    }
    for (const { movie, rating } of Array.isArray(left) ? left.slice(0, MOST_RATINGS) : []) {
      if (Number.isInteger(movie?.movie_id) && typeof movie.title === "string" && scale.has(rating)) {
        this.ratings.set(movie.movie_id, { movie, rating });
      }
    }
  }

  get isFull() {
    return this.ratings.size >= MOST_RATINGS;
  }

  ratingOf(movie) {
    return this.ratings.get(movie.movie_id)?.rating ?? null;
  }

  /** Rate a movie, or with null take the rating back. */
  rate(movie, rating) {
    if (rating === null) this.ratings.delete(movie.movie_id);
    else this.ratings.set(movie.movie_id, { movie, rating });
    this.changed();
  }

  clear() {
    this.ratings.clear();
    this.changed();
  }

  changed() {
    keep(localStorageOrNone(), this.name, JSON.stringify([...this.ratings.values()]));
    for (const listener of this.listeners) listener();
  }

  /** As requests want them. */
  asBody() {
    return [...this.ratings.values()].map(({ movie, rating }) => ({ movie_id: movie.movie_id, rating }));
  }
}
