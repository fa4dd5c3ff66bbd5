/* A movie with its prediction, as a row that opens to say why; and lists of them that reorder in sight. */

const CHANGE_SHOWN = 0.05; // stars; a smaller change rounds to nothing
const MOVE_TIME = 420; // milliseconds

class Row {
  constructor(movie, { scale, context }) {
    Object.assign(this, { movie, scale, context });
    this.prediction = null;
    this.why = null;
    this.rank = make("span", { class: "rank", "aria-hidden": true });
    this.range = new RangePicture(scale);
    this.number = make("span", { class: "number" });
    this.side = make("span", { class: "side" });
    this.place = make("div", { class: "place", id: `why-${Row.made += 1}`, hidden: true });
    this.button = make("button", {
      type: "button", class: "row", "aria-expanded": "false", "aria-controls": this.place.id, click: () => this.toggle(),
    }, this.rank, titled(movie), this.range.element, this.number, this.side);
    this.element = make("li", {}, make("h3", {}, this.button), this.place);
  }

  /** Args: the prediction; its rank from 1, or null; the stars actually given, or null. */
  show(prediction, { rank = null, given = null } = {}) {
    const before = this.prediction?.predicted_rating;
    const { predicted_rating: predicted, interval } = prediction;
    this.prediction = prediction;
    this.rank.textContent = rank ?? "";
    this.range.show(prediction, given);
    this.number.replaceChildren(make("span", { class: "unseen" }, "predicted "), oneDecimal(predicted),
      make("span", { class: "unseen" }, ` stars, likely ${oneDecimal(interval.low)} to ${oneDecimal(interval.high)}`));
    const change = before === undefined ? 0 : predicted - before;
    this.side.replaceChildren();
    if (given !== null) this.side.append(make("span", { class: "gave" }, make("span", { class: "unseen" }, ", gave "), `${given}★`));
    else if (Math.abs(change) >= CHANGE_SHOWN) {
      this.side.append(make("span", { class: "change" },
        `${change > 0 ? "▲" : "▼"} ${oneDecimal(Math.abs(change))}`));
    }
  }

  get isOpen() {
    return this.why !== null;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    this.context.onOpen?.(this);
    this.why = new Why({ movie: this.movie, scale: this.scale, asOf: null, onShow: null, ...this.context.why(this.movie) });
    this.place.replaceChildren(this.why.element);
    this.place.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.why.refresh();
  }

  close() {
    this.why?.request?.abort();
    this.why = null;
    this.place.hidden = true;
    this.place.replaceChildren();
    this.button.setAttribute("aria-expanded", "false");
  }
}
Row.made = 0;

/** Rows by movie. Those that stay are kept, so that they can be seen to move, and an open one stays open. */
class RowList {
  constructor(element, { scale, why }) {
    this.element = element;
    this.scale = scale;
    this.rows = new Map();
    this.context = { why, onOpen: (opened) => this.closeOthers(opened) };
  }

  closeOthers(opened) {
    for (const row of this.rows.values()) if (row !== opened) row.close();
  }

  /** Show `items`, each with a movie, a prediction and what Row.show takes, in their order. */
  show(items) {
    const before = new Map([...this.rows].map(([id, row]) => [id, row.element.offsetTop]));
    const kept = new Map();
    for (const { movie, prediction, ...rest } of items) {
      const row = this.rows.get(movie.movie_id) ?? new Row(movie, this);
      row.show(prediction, rest);
      kept.set(movie.movie_id, row);
    }
    this.rows = kept;
    this.arrange([...kept.values()].map((row) => row.element));
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const [id, row] of kept) {
      const moved = before.has(id) ? before.get(id) - row.element.offsetTop : 0;
      if (moved) row.element.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: MOVE_TIME, easing: "ease-out" });
      else if (!before.has(id)) row.element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE_TIME });
    }
  }

  /** Put the elements in order, and the focus back where it was: an element that is moved loses it. */
  arrange(elements) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.element.replaceChildren(...elements);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }

  /** Explain anew what is open, from ratings that have changed. */
  refreshOpen() {
    for (const row of this.rows.values()) row.why?.refresh();
  }

  clear() {
    this.closeOthers(null);
    this.rows.clear();
    this.element.replaceChildren();
  }
}
