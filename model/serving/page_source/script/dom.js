/* Building elements, and the words and numbers that every part of the page shares. */

const SVG = "http://www.w3.org/2000/svg";
const A_WHILE = 400; // milliseconds; what is quicker would only flicker

/** The element with an id of page.html. */
const byId = (id) => document.getElementById(id);

/**
 * Make an element. Functions become listeners, null and false are left out, everything else is an attribute.
 * Children are nodes or text; text is only ever text, so that a title cannot bring markup along.
 */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** Make an SVG element, as `make` does. */
function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Tell those who listen instead of looking. */
function announce(text) {
  byId("live").textContent = text;
}

/** Wait for `work`; where it takes a while, a line of the page says what for until it ends, well or badly. */
async function sayWhile(line, text, work) {
  const timer = setTimeout(() => {
    line.textContent = text;
    announce(text);
  }, A_WHILE);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    for (const told of [line, byId("live")]) if (told.textContent === text) told.textContent = "";
  }
}

/** "1 rating", "2 ratings". */
function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A predicted or mean rating with one decimal. */
const oneDecimal = (stars) => stars.toFixed(1);

/** A rating that somebody gave: "4 stars", "3.5 stars". */
const inStars = (rating) => `${rating} ${rating === 1 ? "star" : "stars"}`;

/** "4, 4, 3 and 5". */
function enumerate(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** The title, or the number where the data has none. */
const titleOf = (movie) => movie.title || `Movie ${movie.movie_id}`;

/** "The Quiet Ferry (1987)". */
const nameMovie = (movie) => titleOf(movie) + (movie.release_year ? ` (${movie.release_year})` : "");

/** The title with its year set apart, for the eye. */
function titled(movie) {
  return make("span", { class: "title" }, titleOf(movie),
    movie.release_year ? make("span", { class: "year" }, ` ${movie.release_year}`) : null);
}

/** Call `action` once things have been quiet for `wait` milliseconds. */
function debounce(action, wait) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), wait);
  };
}
