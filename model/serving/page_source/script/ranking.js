/* The right-hand side: predictions for whoever is chosen, highest first. */

const MOST_RANKED = 15;
const KINDS = [
  { name: "known", label: "Well known" },
  { name: "best", label: "Best of all" },
];

class Ranking {
  /** `onRetry` is called when somebody tries again, for what else may have failed with it. */
  constructor({ scale, store, catalogue, onRetry }) {
    Object.assign(this, { store, catalogue, onRetry });
    this.kind = "known";
    this.era = "";
    this.shown = null; // a movie that somebody asked to see, whatever its rank
    this.unopened = null; // the same, until it is there to be opened
    this.who = null;
    this.list = new RowList(byId("ranked"), {
      scale,
      why: () => ({ who: this.who, onShow: (movie) => this.pin(movie) }),
    });
    byId("peek-retry").addEventListener("click", () => this.retry());
    choices(byId("kinds"), "kind", KINDS, (kind) => this.choose({ kind }));
    choices(byId("eras"), "era", [{ name: "", label: "All years" }, ...ERAS], (era) => this.choose({ era }));
  }

  /** Rank for somebody else from now on. */
  setWho(who) {
    this.who = who;
    this.shown = this.unopened = null;
    this.list.clear();
    byId("kinds").hidden = !who.isVisitor;
    byId("ranking-heading").textContent = `What ${who.name} would give${who.isVisitor ? "" : " next"}`;
    return this.refresh();
  }

  choose(choice) {
    Object.assign(this, choice, { shown: null, unopened: null });
    this.refresh();
  }

  /** Show a movie among the others, and why. */
  pin(movie) {
    this.shown = this.unopened = movie;
    this.refresh();
  }

  /** Open the movie that somebody asked to see; whichever answer brings it, as newer questions drop older ones. */
  reveal() {
    const row = this.list.rows.get(this.unopened?.movie_id);
    this.unopened = null;
    if (!row) return;
    if (!row.isOpen) row.open();
    row.button.focus();
    row.element.scrollIntoView({ block: "nearest" });
  }

  async refresh() {
    this.request?.abort();
    const request = (this.request = new AbortController());
    byId("ranked").setAttribute("aria-busy", "true");
    if (!this.list.rows.size) byId("ranked").replaceChildren(...skeletons(6));
    try {
      const items = await sayWhile(byId("ranking-hint"), `Predicting what ${this.who.name} would give…`,
        this.load(request.signal));
      if (request.signal.aborted) return;
      showFailure(byId("ranking-message"), null);
      this.show(items);
    } catch (failure) {
      if (failure.name === "AbortError") return;
      if (!this.list.rows.size) byId("ranked").replaceChildren();
      byId("ranking-hint").textContent = "";
      showFailure(byId("ranking-message"), failure, () => this.retry());
      this.peek(failure.title, { canRetry: true });
    }
    byId("ranked").removeAttribute("aria-busy");
  }

  retry() {
    this.onRetry();
    this.refresh();
  }

  /** Say on a small screen, where the list is out of sight, what there is to see in it. */
  peek(text, { canRetry = false } = {}) {
    byId("peek-text").textContent = text;
    if (!canRetry && document.activeElement === byId("peek-retry")) byId("peek-text").focus();
    byId("peek-retry").hidden = !canRetry;
    byId("peek").hidden = !this.who.isVisitor || !this.store.ratings.size;
  }

  show(items) {
    items.sort((a, b) => b.prediction.predicted_rating - a.prediction.predicted_rating);
    this.list.show(items.map((item, place) => ({ ...item, rank: place + 1 })));
    this.list.refreshOpen();
    this.reveal();
    byId("ranking-hint").textContent = this.explain(items);
    if (!items.length) return;
    const [{ movie, prediction }] = items;
    const first = `${nameMovie(movie)}, ${oneDecimal(prediction.predicted_rating)} stars`;
    announce(`Predictions updated. First: ${first}`);
    this.peek(`First now: ${first}`);
  }

  explain(items) {
    if (!items.length) {
      return this.era ? "There is no such movie left. Try other years." : "There is no movie left to predict.";
    }
    if (this.who.isVisitor && !this.store.ratings.size) {
      return "Nothing rated yet: this is what somebody new would give. The band is where 8 of 10 ratings fall.";
    }
    return "Highest first. The band is where 8 of 10 ratings fall. Open one to see why.";
  }

  async load(signal) {
    const isRanked = this.kind === "known" && this.who.isVisitor;
    const items = isRanked ? await this.predictKnown(signal) : await this.recommend(signal);
    if (this.shown && !items.some(({ movie }) => movie.movie_id === this.shown.movie_id)) {
      items.push(...await this.predict([this.shown], signal));
    }
    return items;
  }

  async predictKnown(signal) {
    const movies = (await this.catalogue.wellKnown()).filter((movie) => this.store.ratingOf(movie) === null
      && (!this.era || eraOf(movie)?.name === this.era));
    return this.predict(movies.slice(0, MOST_RANKED), signal);
  }

  async predict(movies, signal) {
    if (!movies.length) return [];
    const requests = movies.map((movie) => ({ ...this.who.body(), movie_id: movie.movie_id }));
    const { predictions } = await ask("v1/predict/batch", { body: { requests }, signal });
    return movies.map((movie, place) => ({ movie, prediction: predictions[place] }));
  }

  async recommend(signal) {
    const body = { ...this.who.body(), n: MOST_RANKED };
    if (this.era) body.era = this.era;
    const { recommendations } = await ask("v1/recommend", { body, signal });
    return recommendations.map((recommended) => ({ movie: recommended, prediction: recommended }));
  }
}

/** Radio buttons that look like a row of switches; the first is chosen. */
function choices(fieldset, name, options, onChoose) {
  fieldset.append(...options.map((option, place) => make("label", {},
    make("input", { type: "radio", name, value: option.name, checked: place === 0, change: () => onChoose(option.name) }),
    make("span", {}, option.label))));
}

/** Grey rows while there is nothing to show yet. */
function skeletons(number) {
  return Array.from({ length: number }, () => make("li", { class: "skeleton", "aria-hidden": true }));
}
