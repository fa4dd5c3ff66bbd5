/* Why a prediction is what it is: the four people and the era in words and in two pictures, and what is similar. */

const ERAS = [ // the boundaries of DESIGN section 3, under the names that the service gives them
  { name: "before 1970", label: "Before 1970", from: -Infinity, to: 1969 },
  { name: "1970-1989", label: "1970–1989", from: 1970, to: 1989 },
  { name: "1990 and later", label: "1990 and later", from: 1990, to: Infinity },
];
const MOST_SIMILAR = 6;

/** The era of a movie; null without a year, which would otherwise count as the year 0. */
function eraOf({ release_year: year }) {
  return year ? ERAS.find((era) => year >= era.from && year <= era.to) : null;
}

class Why {
  /**
   * Args: the movie; `who` is asking; `asOf` a day or null; the scale; `onShow` is called with a similar movie that
   * somebody wants to see, and is null where there is nowhere to show it.
   */
  constructor({ movie, who, asOf, scale, onShow }) {
    Object.assign(this, { movie, who, asOf, scale, onShow });
    this.waiting = make("p", { class: "hint waiting" });
    this.story = make("p", { class: "story", id: `story-${Why.made += 1}`, tabindex: "-1" });
    this.message = make("div", { "data-home": this.story.id });
    this.pictures = make("div", { class: "pictures" });
    this.people = make("div", { class: "people" });
    this.basis = make("p", { class: "hint basis" });
    this.seeking = make("p", { class: "hint seeking" });
    this.similar = make("div", { class: "similar" });
    this.element = make("div", { class: "why" }, this.waiting, this.story, this.message, this.pictures, this.people,
      this.basis, this.seeking, this.similar);
  }

  /** Load everything; again whenever the ratings behind it have changed. */
  async refresh() {
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    this.element.setAttribute("aria-busy", "true");
    const day = this.asOf ? { as_of: this.asOf, date: this.asOf } : {};
    try {
      const body = { ...this.who.body(), movie_id: this.movie.movie_id, explain: true, ...day };
      this.show(await sayWhile(this.waiting, "Looking for the people and the reasons behind it…",
        ask("v1/predict", { body, signal })));
      showFailure(this.message, null);
      if (this.onShow && !this.similar.hasChildNodes()) await this.loadSimilar(signal);
    } catch (failure) {
      if (failure.name === "AbortError") return;
      showFailure(this.message, failure, () => this.refresh());
    }
    this.element.removeAttribute("aria-busy");
  }

  show(prediction) {
    const { neighbours, era_mean: eraMean, era } = prediction.explanation;
    const { n_user_ratings: ofUser, n_movie_ratings: ofMovie } = prediction.based_on;
    const knowsEra = era !== null && this.who.hasRatedEra(era, this.movie, eraMean);
    const eraName = ERAS.find(({ name }) => name === era)?.label.toLowerCase();

    this.story.replaceChildren(...this.tell(neighbours, ofUser), " ",
      knowsEra ? `${capital(this.who.possessive)} own average for movies from ${eraName} is ${oneDecimal(eraMean)}.` : "");
    this.pictures.replaceChildren();
    if (neighbours.length && ofUser) {
      const isInmost = neighbours.every(({ distance }) => distance === 0);
      this.pictures.append(captioned(drawNeighbourhood(neighbours, this.who),
        isInmost ? "All on the inmost ring: distance 0, as near as can be. Outmost: nothing in common."
          : "The nearer, the more alike. Inmost ring: distance 0. Outmost: nothing in common."));
    }
    const axis = drawAxis({
      neighbours, prediction, eraMean: knowsEra ? eraMean : null, eraLabel: `${this.who.possessive} average, ${eraName}`,
    }, this.scale);
    this.pictures.append(captioned(axis,
      `${neighbours.length ? "Each star is one of them. " : ""}In the band: 8 of 10 ratings.`));
    this.people.replaceChildren(...(neighbours.length && ofUser ? listPeople(neighbours) : []));
    this.basis.textContent = `Rests on ${count(ofUser, "rating")} of ${this.who.own} and `
      + `${count(ofMovie, "rating")} of this movie. In 8 of 10 cases the stars fall between `
      + `${oneDecimal(prediction.interval.low)} and ${oneDecimal(prediction.interval.high)}.`;
  }

  /** The first sentence: who is near, or why nobody is. */
  tell(neighbours, ofUser) {
    if (!neighbours.length) {
      const until = this.asOf ? "had rated this movie before that day" : "has rated this movie";
      return [`Nobody in the data ${until}, so the prediction rests on what is usual.`];
    }
    const given = make("strong", {}, enumerate(neighbours.map(({ rating }) => String(rating))));
    if (!ofUser) {
      return [`Nobody is close to ${this.who.objective} yet: without ratings all are equally far away. Four of those who saw it gave `,
        given, "."].map((part) => (typeof part === "string" && neighbours.length < 4
        ? part.replace("Four of those who saw it", "Those who saw it") : part));
    }
    const them = neighbours.length === 1 ? "The one person who has rated this movie"
      : neighbours.length < 4 ? `The only ${neighbours.length} people who have rated this movie`
        : `The four people closest to ${this.who.objective} who have seen it`;
    return [`${them} gave `, given, neighbours.length === 1 && neighbours[0].rating === 1 ? " star." : " stars."];
  }

  async loadSimilar(signal) {
    const { movies } = await sayWhile(this.seeking, "Looking for similar movies…",
      ask(`v1/movies/${this.movie.movie_id}/similar`, { query: { n: MOST_SIMILAR }, signal }));
    if (!movies.length) return;
    this.similar.replaceChildren(
      make("h4", {}, "Similar movies"),
      make("ul", {}, ...movies.map((movie) => make("li", {},
        make("button", { type: "button", class: "chip", click: () => this.onShow(movie) }, titled(movie))))));
  }
}

Why.made = 0;

/** The people of the picture with their figures, and what a distance is. */
function listPeople(neighbours) {
  const people = neighbours.map(({ rating, distance, common_movies: common }) => make("li", {},
    make("span", { class: "gave" }, make("span", { class: "unseen" }, "gave "), `${rating}★`),
    ` distance ${oneDecimal(distance)}, ${count(common, "movie")} in common`));
  const isTied = neighbours.length > 1 && neighbours.every(({ distance }) => distance === neighbours[0].distance);
  return [
    make("ol", { "aria-label": "The nearest people" }, ...people),
    make("p", { class: "hint" }, "A distance adds up the three smallest differences in stars over the movies in common; "
      + "where there are fewer than three, each missing one counts 3.5."
      + (isTied ? " Of people equally near, those come first who differ least over all they have in common." : "")),
  ];
}

const captioned = (picture, caption) => make("figure", {}, picture, make("figcaption", {}, caption));

const capital = (text) => text[0].toUpperCase() + text.slice(1);
