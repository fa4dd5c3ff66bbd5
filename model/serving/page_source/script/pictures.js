/* The pictures. One colour for what people gave, another for what is predicted, everywhere. */

const FARTHEST = 10.5; // the distance of two people with nothing in common
const CORNERS = [-48, 42, 138, 222]; // degrees; where the four stand around you, so that none hides another

/** A prediction as a dot in the band where 8 of 10 ratings fall; with the rating given, where there is one. */
class RangePicture {
  constructor(scale) {
    this.scale = scale;
    this.band = make("span", { class: "band" });
    this.link = make("span", { class: "link", hidden: true });
    this.given = make("span", { class: "given", hidden: true },
      draw("svg", { viewBox: "0 0 24 24" }, draw("path", { d: STAR_PATH, class: "star" })));
    this.dot = make("span", { class: "dot" });
    this.element = make("span", { class: "range", "aria-hidden": true },
      ...scale.wholeStars.map((stars) => at(make("span", { class: "tick" }), scale.share(stars))),
      this.band, this.link, this.dot, this.given);
  }

  show({ predicted_rating: predicted, interval }, given = null) {
    const share = (stars) => this.scale.share(stars);
    at(this.band, share(interval.low), share(interval.high));
    at(this.dot, share(predicted));
    this.given.hidden = this.link.hidden = given === null;
    if (given === null) return;
    at(this.given, share(given));
    at(this.link, share(Math.min(given, predicted)), share(Math.max(given, predicted)));
  }
}

/** Place an element along a picture, by shares of its width. */
function at(element, from, to = null) {
  element.style.left = `${100 * from}%`;
  if (to !== null) element.style.width = `${100 * (to - from)}%`;
  return element;
}

/** You in the middle, and the people as far away as the search found them, each with what they gave. */
function drawNeighbourhood(neighbours, who) {
  const [size, centre] = [248, 124];
  const radius = (distance) => 40 + (Math.min(distance, FARTHEST) / FARTHEST) * 62;
  const picture = draw("svg", { viewBox: `0 0 ${size} ${size}`, class: "picture", role: "img",
    "aria-label": `Around ${who.objective}, by distance: people who gave ${enumerate(neighbours.map(({ rating }) => String(rating)))} stars` });
  for (const distance of [0, FARTHEST / 2, FARTHEST]) {
    picture.append(draw("circle", { cx: centre, cy: centre, r: radius(distance), class: "ring" }));
  }
  const people = neighbours.map((neighbour, place) => {
    const angle = (CORNERS[place] * Math.PI) / 180;
    const reach = radius(neighbour.distance);
    return { ...neighbour, x: centre + reach * Math.cos(angle), y: centre + reach * Math.sin(angle) };
  });
  for (const { x, y } of people) {
    picture.append(draw("line", { x1: centre, y1: centre, x2: x, y2: y, class: "tie" }));
  }
  picture.append(draw("circle", { cx: centre, cy: centre, r: 17, class: "self" }),
    draw("text", { x: centre, y: centre + 4, class: "self-name" }, who.objective));
  for (const { x, y, rating, distance, common_movies: common } of people) {
    picture.append(draw("g", { class: "person", transform: `translate(${x} ${y})` },
      draw("title", {}, describeNeighbour({ rating, distance, common_movies: common })),
      draw("circle", { r: 18 }),
      draw("text", { y: 5, class: Number.isInteger(rating) ? null : "half" }, `${rating}★`)));
  }
  return picture;
}

function describeNeighbour({ rating, distance, common_movies: common }) {
  return `gave ${inStars(rating)}; distance ${oneDecimal(distance)} over ${count(common, "movie")} in common`;
}

/** How many people gave each rating that somebody gave. */
function countRatings(neighbours) {
  const counts = new Map();
  for (const { rating } of neighbours) counts.set(rating, (counts.get(rating) ?? 0) + 1);
  return counts.values();
}

/** One axis of stars: what the people gave above it; prediction, interval and the era's mean on it. */
function drawAxis({ neighbours, prediction, eraMean, eraLabel }, scale) {
  const [width, left, right, line] = [300, 20, 280, 100];
  const tallest = Math.max(1, ...countRatings(neighbours));
  const [top, bottom] = [line - 18 - 22 * tallest, eraMean === null ? 158 : 186];
  const place = (stars) => left + scale.share(stars) * (right - left);
  const { predicted_rating: predicted, interval } = prediction;
  const picture = draw("svg", { viewBox: `0 ${top} ${width} ${bottom - top}`, class: "picture", role: "img",
    "aria-label": `Predicted ${oneDecimal(predicted)} stars, likely between ${oneDecimal(interval.low)} and ${oneDecimal(interval.high)}` });
  picture.append(
    draw("rect", { x: place(interval.low), y: line - 9, width: Math.max(2, place(interval.high) - place(interval.low)),
      height: 18, rx: 9, class: "band" }),
    draw("line", { x1: left, x2: right, y1: line, y2: line, class: "axis" }));

  const pointers = [{ stars: predicted, y: 150, name: "predicted", text: `predicted ${oneDecimal(predicted)}` }];
  if (eraMean !== null) pointers.push({ stars: eraMean, y: 178, name: "era", text: `${eraLabel}: ${oneDecimal(eraMean)}` });
  for (const { stars, y, name } of pointers) {
    picture.append(draw("line", { x1: place(stars), x2: place(stars), y1: line, y2: y - 13, class: `pointer ${name}` }));
  }
  for (const stars of scale.wholeStars) {
    picture.append(draw("line", { x1: place(stars), x2: place(stars), y1: line - 4, y2: line + 4, class: "axis" }),
      draw("text", { x: place(stars), y: line + 25, class: "mark" }, `${stars}★`));
  }
  const stacked = new Map();
  for (const neighbour of neighbours) {
    const below = stacked.get(neighbour.rating) ?? 0;
    stacked.set(neighbour.rating, below + 1);
    picture.append(draw("path", { d: STAR_PATH, class: "star",
      transform: `translate(${place(neighbour.rating) - 12} ${line - 34 - 22 * below})` },
    draw("title", {}, describeNeighbour(neighbour))));
  }
  if (eraMean !== null) {
    picture.append(draw("rect", { x: -6, y: -6, width: 12, height: 12, class: "era",
      transform: `translate(${place(eraMean)} ${line}) rotate(45)` }));
  }
  picture.append(draw("circle", { cx: place(predicted), cy: line, r: 7, class: "predicted" }));
  for (const { stars, y, name, text } of pointers) {
    // Near an end the text leans inwards, so that none of it is cut off.
    const share = scale.share(stars);
    const [anchor, x] = share < 0.3 ? ["start", place(stars) - 6] : share > 0.7 ? ["end", place(stars) + 6] : ["middle", place(stars)];
    picture.append(draw("text", { x, y, class: `label ${name}`, "text-anchor": anchor }, text));
  }
  return picture;
}
