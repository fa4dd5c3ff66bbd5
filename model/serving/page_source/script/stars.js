/* The stars: the bundle's own scale, and an input on it for mouse, finger, keyboard and screen reader. */

const STAR_PATH = "M12 2.6l2.9 6 6.6.9-4.8 4.6 1.2 6.5L12 17.5l-5.9 3.1 1.2-6.5L2.5 9.5l6.6-.9z";

/** The stars a data set uses: `low` to `high` in steps of `step`. */
class Scale {
  constructor({ low, high, step }) {
    Object.assign(this, { low, high, step });
  }

  has(rating) {
    return Number.isFinite(rating) && rating >= this.low && rating <= this.high
      && (rating - this.low) % this.step === 0;
  }

  /** How many ratings there are. */
  get size() {
    return Math.round((this.high - this.low) / this.step) + 1;
  }

  /** Whole stars, for the marks of an axis. */
  get wholeStars() {
    const first = Math.ceil(this.low);
    return Array.from({ length: Math.floor(this.high) - first + 1 }, (_, place) => first + place);
  }

  /** Where on an axis a number of stars lies, 0 to 1. */
  share(stars) {
    return Math.min(1, Math.max(0, (stars - this.low) / (this.high - this.low)));
  }
}

/**
 * A star input. Underneath is a native range from 0 (not rated) to the number of ratings on the scale: that gives
 * arrow keys and screen readers' gestures. The pointer is handled here, because a range puts its thumb, not the
 * star, under it.
 */
class StarInput {
  constructor(scale, { label, rating = null, onChange }) {
    this.scale = scale;
    this.onChange = onChange;
    this.range = make("input", {
      type: "range", min: 0, max: scale.size, step: 1, "aria-label": label,
      input: () => this.choose(Number(this.range.value)), keydown: (event) => this.press(event),
    });
    this.fill = make("span", { class: "fill" }, drawStars(scale.high));
    this.element = make("span", {
      class: "stars", pointerdown: (event) => this.drag(event), pointermove: (event) => this.drag(event),
      pointerleave: () => this.paint(),
    }, this.range, make("span", { class: "empty" }, drawStars(scale.high)), this.fill);
    this.set(rating);
  }

  /** Show a rating without telling anybody. */
  set(rating) {
    this.rating = rating;
    this.range.value = rating === null ? 0 : this.placeOf(rating);
    this.range.setAttribute("aria-valuetext", rating === null ? "not rated" : inStars(rating));
    this.element.classList.toggle("is-rated", rating !== null);
    this.paint();
  }

  /** Place 1 is the lowest rating. */
  placeOf(rating) {
    return Math.round((rating - this.scale.low) / this.scale.step) + 1;
  }

  ratingAt(place) {
    return place < 1 ? null : this.scale.low + (place - 1) * this.scale.step;
  }

  paint(rating = this.rating) {
    this.fill.style.width = `${((rating ?? 0) / this.scale.high) * 100}%`;
  }

  choose(place) {
    const rating = this.ratingAt(Math.min(place, this.scale.size));
    if (rating === this.rating) return;
    this.set(rating);
    this.onChange(rating);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^[1-9]$/.test(event.key) ? Number(event.key) : null;
    if (digit !== null && this.scale.has(digit)) this.choose(this.placeOf(digit));
    else if (["Delete", "Backspace", "0"].includes(event.key)) this.choose(0);
    else return;
    event.preventDefault();
  }

  drag(event) {
    const box = this.element.getBoundingClientRect();
    const stars = ((event.clientX - box.left) / box.width) * this.scale.high;
    const place = Math.max(1, Math.ceil((stars - this.scale.low) / this.scale.step) + 1);
    if (event.type === "pointerdown") {
      event.preventDefault(); // else the focus goes to the body
      this.range.focus({ preventScroll: true });
      this.element.setPointerCapture(event.pointerId);
    }
    if (event.buttons === 1) this.choose(place);
    else this.paint(this.ratingAt(Math.min(place, this.scale.size)));
  }
}

/** A row of stars. */
function drawStars(number) {
  const row = draw("svg", { viewBox: `0 0 ${24 * number} 24`, "aria-hidden": true });
  for (let place = 0; place < number; place += 1) {
    row.append(draw("path", { d: STAR_PATH, transform: `translate(${24 * place} 0)` }));
  }
  return row;
}
