/* Search as you type: the combobox with a list box of the ARIA authoring practices. */

const SEARCH_WAIT = 180; // milliseconds of quiet before a search is sent
const MOST_FOUND = 8;

class Search {
  constructor({ onChoose }) {
    this.onChoose = onChoose;
    this.input = byId("search");
    this.list = byId("found");
    this.movies = [];
    this.active = -1;
    this.request = null;
    const searchSoon = debounce(() => this.search(), SEARCH_WAIT);
    this.input.addEventListener("input", searchSoon);
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("blur", () => this.close());
    // The list must not take the focus from the input, or the blur above closes it before the click arrives.
    byId("popup").addEventListener("pointerdown", (event) => event.preventDefault());
  }

  async search() {
    this.request?.abort();
    const query = this.input.value.trim();
    if (!query) {
      this.close();
      return;
    }
    this.request = new AbortController();
    this.say("Searching…");
    try {
      const { movies } = await ask("v1/movies", { query: { query, limit: MOST_FOUND }, signal: this.request.signal });
      this.show(movies, query);
    } catch (failure) {
      if (failure.name === "AbortError") return;
      if (!(failure instanceof Failure)) throw failure;
      this.show([], query);
      this.say(`${failure.title}. ${failure.detail}`);
    }
  }

  show(movies, query) {
    this.movies = movies;
    this.active = -1;
    this.list.replaceChildren(...movies.map((movie, place) => make("li", {
      role: "option", id: `found-${place}`, "aria-selected": "false", click: () => this.choose(place),
    }, make("span", { class: "title" }, ...emphasise(titleOf(movie), query)),
    make("span", { class: "year" }, movie.release_year ? ` ${movie.release_year}` : ""))));
    this.say(movies.length ? "" : `No movie here has “${query}” in its title.`);
    announce(movies.length ? `${count(movies.length, "movie")} found` : `No movie found for ${query}`);
    this.point(-1);
  }

  /** Open the list with a message under it, or with the message alone. */
  say(message) {
    byId("popup").hidden = document.activeElement !== this.input;
    byId("found-message").textContent = message;
    const isOpen = !byId("popup").hidden && this.movies.length > 0;
    this.input.setAttribute("aria-expanded", String(isOpen));
    this.list.hidden = !isOpen;
  }

  press(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && this.movies.length) this.choose(Math.max(this.active, 0));
    else if (event.key === "ArrowDown") this.step(1);
    else if (event.key === "ArrowUp") this.step(-1);
    else return;
    event.preventDefault();
  }

  step(by) {
    if (byId("popup").hidden) this.search();
    else if (this.movies.length) {
      const places = this.movies.length;
      this.point(this.active < 0 && by < 0 ? places - 1 : (this.active + by + places) % places);
    }
  }

  point(place) {
    this.active = place;
    [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    if (place < 0) this.input.removeAttribute("aria-activedescendant");
    else {
      this.input.setAttribute("aria-activedescendant", `found-${place}`);
      this.list.children[place].scrollIntoView({ block: "nearest" });
    }
  }

  choose(place) {
    const movie = this.movies[place];
    this.input.value = "";
    this.close();
    this.onChoose(movie);
  }

  close() {
    this.request?.abort();
    this.movies = [];
    byId("popup").hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.point(-1);
  }
}

/** The title in parts; where one of its words begins as a word of the query does, that is in <b>. */
function emphasise(title, query) {
  const parts = [];
  const words = query.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  for (const [place, part] of title.split(new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})`, "iu")).entries()) {
    if (part) parts.push(place % 2 ? make("b", {}, part) : part);
  }
  return parts;
}
