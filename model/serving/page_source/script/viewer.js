/* The left-hand side for somebody in the data: what they gave, beside what would have been said the day before. */

const MOST_VIEWERS = 20;
const MOST_COMPARED = 20;
const MEAN_OF_NOTHING = 2; // stars; DESIGN section 3

class ViewerPanel {
  constructor({ scale, onChoose }) {
    this.onChoose = onChoose;
    this.who = null;
    this.days = new Map();
    this.list = new RowList(byId("compared"), {
      scale,
      why: (movie) => ({ who: this.who, asOf: this.days.get(movie.movie_id) }),
    });
    byId("viewer").addEventListener("change", () => this.choose());
  }

  /** Load whom there is to choose from, and choose the first. */
  async start() {
    try {
      const { users } = await sayWhile(byId("viewer-score"), "Loading people to choose from…",
        ask("v1/users", { query: { n: MOST_VIEWERS } }));
      byId("viewer").replaceChildren(...users.map((user) => make("option", { value: user.user_id },
        `Viewer ${user.user_id}, ${count(user.n_ratings, "rating")}`)));
    } catch (failure) {
      showFailure(byId("viewer-message"), failure, () => this.start());
      return;
    }
    showFailure(byId("viewer-message"), null);
    this.choose();
  }

  choose() {
    this.who = new Viewer(Number(byId("viewer").value));
    this.list.clear();
    byId("viewer-score").textContent = "";
    this.refresh();
    this.onChoose(this.who);
  }

  async refresh() {
    this.request?.abort();
    const { signal } = (this.request = new AbortController());
    byId("compared").setAttribute("aria-busy", "true");
    if (!this.list.rows.size) byId("compared").replaceChildren(...skeletons(6));
    try {
      this.show(await sayWhile(byId("viewer-score"), "Predicting what they gave…", this.load(signal)));
      showFailure(byId("viewer-message"), null);
    } catch (failure) {
      if (failure.name === "AbortError") return;
      byId("compared").replaceChildren();
      showFailure(byId("viewer-message"), failure, () => this.refresh());
    }
    byId("compared").removeAttribute("aria-busy");
  }

  async load(signal) {
    const { ratings } = await ask(`v1/users/${this.who.id}/ratings`, { query: { limit: MOST_COMPARED }, signal });
    const requests = ratings.map(({ movie_id, date }) => ({ user_id: this.who.id, movie_id, date, as_of: date }));
    const { predictions } = await ask("v1/predict/batch", { body: { requests }, signal });
    return ratings.map((rated, place) => ({ movie: rated, given: rated.rating, prediction: predictions[place] }));
  }

  show(items) {
    this.days = new Map(items.map(({ movie }) => [movie.movie_id, movie.date]));
    this.list.show(items);
    const squares = items.map(({ given, prediction }) => (given - prediction.predicted_rating) ** 2);
    const rmse = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    const inside = items.filter(({ given, prediction: { interval } }) => given >= interval.low && given <= interval.high);
    byId("viewer-score").replaceChildren("Off by ", make("strong", {}, rmse.toFixed(2)),
      ` stars (RMSE) over the latest ${count(items.length, "rating")}; ${inside.length} fell inside the band.`
      + tellFirstDay(items));
    byId("viewer-legend").hidden = byId("viewer-note").hidden = false;
    announce(`Viewer ${this.who.id}: off by ${rmse.toFixed(2)} stars`);
  }
}

/** In many data sets people give all their ratings in a day or two, and were strangers before. */
function tellFirstDay(items) {
  const first = items.filter(({ prediction }) => prediction.based_on.n_user_ratings === 0).length;
  return first ? ` ${first} of them ${first === 1 ? "is" : "are"} of this person’s first day, when nothing else was known.` : "";
}

/** Who a prediction is for: what requests say of them, and what sentences call them. */
class Viewer {
  constructor(id) {
    Object.assign(this, { id, isVisitor: false, name: "they", objective: "them", possessive: "their", own: "theirs" });
  }

  body() {
    return { user_id: this.id };
  }

  /** Their ratings are not here to look at, but the service has a mean of its own where there are none. */
  hasRatedEra(_name, _movie, eraMean) {
    return eraMean !== MEAN_OF_NOTHING;
  }
}

/** The visitor, as `Viewer`. */
class Visitor {
  constructor(store) {
    Object.assign(this, { store, isVisitor: true, name: "you", objective: "you", possessive: "your", own: "yours" });
  }

  body() {
    return { ratings: this.store.asBody() };
  }

  hasRatedEra(name, movie) {
    return [...this.store.ratings.values()].some((rated) => rated.movie.movie_id !== movie.movie_id
      && eraOf(rated.movie)?.name === name);
  }
}
