/* The left-hand side for a visitor: movies to rate, and what would have been said of those that are rated. */

const STARTERS = 6;
const MORE = 6;

class RatingPanel {
  constructor({ scale, store, catalogue }) {
    Object.assign(this, { scale, store, catalogue });
    this.entries = new Map();
    this.starters = [];
    this.search = new Search({ onChoose: (movie) => this.add(movie) });
    byId("more").addEventListener("click", () => this.addStarters(MORE, { focus: true }));
  }

  /** Show what an earlier visit rated, and movies to begin with. */
  async start() {
    for (const { movie } of [...this.store.ratings.values()].reverse()) this.append(movie);
    this.refresh();
    await this.loadStarters();
  }

  async loadStarters() {
    try {
      this.starters = await sayWhile(byId("rate-waiting"), "Loading movies to rate…", this.catalogue.wellKnown());
    } catch (failure) {
      showFailure(byId("rate-message"), failure, () => this.loadStarters());
      return;
    }
    showFailure(byId("rate-message"), null);
    this.addStarters(Math.max(2, STARTERS - this.entries.size));
  }

  addStarters(number, { focus = false } = {}) {
    const fresh = this.starters.filter((movie) => !this.entries.has(movie.movie_id));
    for (const [place, movie] of fresh.slice(0, number).entries()) {
      const entry = this.append(movie);
      if (focus && place === 0) entry.stars.range.focus();
    }
    byId("more").hidden = fresh.length <= number;
  }

  /** Put a movie that was searched for on top, ready for its stars. */
  add(movie) {
    const entry = this.entries.get(movie.movie_id) ?? this.append(movie);
    byId("rated").prepend(entry.element);
    entry.stars.range.focus();
  }

  append(movie) {
    const guess = make("span", { class: "guess" });
    const stars = new StarInput(this.scale, {
      label: `Your stars for ${nameMovie(movie)}`,
      rating: this.store.ratingOf(movie),
      onChange: (rating) => this.rate(movie, rating),
    });
    const remove = make("button", {
      type: "button", class: "remove", "aria-label": `Take back your stars for ${nameMovie(movie)}`,
      click: () => {
        stars.set(null);
        stars.range.focus();
        this.rate(movie, null);
      },
    }, "×");
    remove.hidden = stars.rating === null;
    const entry = { movie, stars, guess, remove, element: make("li", {}, titled(movie), stars.element, remove, guess) };
    this.entries.set(movie.movie_id, entry);
    byId("rated").append(entry.element);
    return entry;
  }

  rate(movie, rating) {
    if (rating !== null && this.store.isFull && this.store.ratingOf(movie) === null) {
      this.entries.get(movie.movie_id).stars.set(null);
      const detail = "Take one back to rate another.";
      showFailure(byId("rate-message"), new Failure({ title: `${MOST_RATINGS} ratings are as many as fit`, detail }));
      return;
    }
    showFailure(byId("rate-message"), null);
    this.store.rate(movie, rating);
  }

  /** Ask what would have been said of each rated movie: the service never looks at the rating it predicts. */
  async refresh() {
    this.request?.abort();
    this.request = new AbortController();
    for (const { movie, remove, guess } of this.entries.values()) {
      remove.hidden = this.store.ratingOf(movie) === null;
      if (remove.hidden) guess.textContent = "";
    }
    const rated = [...this.store.ratings.values()];
    this.tally(rated.length);
    if (!rated.length) return;
    const ratings = this.store.asBody();
    const requests = ratings.map(({ movie_id }) => ({ ratings, movie_id }));
    try {
      const { predictions } = await ask("v1/predict/batch", { body: { requests }, signal: this.request.signal });
      let squares = 0;
      for (const [place, { movie, rating }] of rated.entries()) {
        const predicted = predictions[place].predicted_rating;
        squares += (predicted - rating) ** 2;
        this.entries.get(movie.movie_id).guess.textContent = `we would have said ${oneDecimal(predicted)}`;
      }
      this.tally(rated.length, Math.sqrt(squares / rated.length));
    } catch (failure) {
      // The ranking beside it tells of the same failure, once.
      if (failure.name !== "AbortError" && !(failure instanceof Failure)) throw failure;
    }
  }

  tally(number, rmse = null) {
    const line = byId("tally");
    line.replaceChildren();
    if (!number) {
      line.append("Three are enough to begin with.");
      return;
    }
    line.append(`${count(number, "movie")} rated`);
    if (rmse !== null && number > 1) line.append(", each predicted from the others: off by ", make("strong", {}, rmse.toFixed(2)), " stars (RMSE)");
    line.append(". ", make("button", { type: "button", class: "link", click: () => this.clear() }, "Start over"));
  }

  clear() {
    for (const { stars } of this.entries.values()) stars.set(null);
    this.store.clear();
    byId("search").focus();
    announce("All your ratings are forgotten");
  }
}
