/* Talking to the service: one way out, and every failure in words that say what to do. */

/* The page is served at the root of the API, so its own path is the prefix, with or without a closing slash. */
const BASE = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);
const PATIENCE = 30_000; // milliseconds; a cold start on Lambda takes a few seconds
const WELL_KNOWN = 50; // movies, the most that the service lists at once
const KEY_NAME = "four-neighbours.key";

/** A request that came to nothing: `title` for the eye, `detail` what to do, `requestId` to quote. */
class Failure extends Error {
  constructor({ status = 0, title, detail, requestId = null }) {
    super(title);
    Object.assign(this, { status, title, detail, requestId });
  }
}

/**
 * Ask the service. A key is asked for where the service wants one, and the request is then repeated.
 * Throws a Failure, or an AbortError where `signal` was aborted because a newer question took its place.
 */
async function ask(path, { query = {}, body = null, signal = null } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  for (let refused = false; ; refused = true) {
    const response = await send(url, body, signal);
    if (response.status === 401) await keyDesk.ask(refused);
    else return read(response);
  }
}

async function send(url, body, signal) {
  const headers = { accept: "application/json" };
  if (body) headers["content-type"] = "application/json";
  if (keyDesk.key) headers["x-api-key"] = keyDesk.key;
  const patience = AbortSignal.timeout(PATIENCE);
  try {
    return await fetch(url, {
      method: body ? "POST" : "GET",
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") {
      throw new Failure({ title: "The service takes too long", detail: "It may be starting. Try again in a moment." });
    }
    throw new Failure({
      title: "The service cannot be reached",
      detail: "Check your connection, and that the service is running, then try again. Your ratings are kept.",
    });
  }
}

async function read(response) {
  const text = await response.text();
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // A proxy in between answers in HTML; the status then has to do.
  }
  if (response.ok && answer) return answer;
  throw describeRefusal(response, answer ?? {});
}

function describeRefusal(response, problem) {
  const requestId = problem.request_id ?? response.headers.get("x-request-id");
  const said = [problem.detail, ...(problem.errors ?? []).map((error) => error.detail ?? error.message ?? "")]
    .filter(Boolean);
  const detail = [...new Set(said)].join(" ");
  const status = response.status;
  if (status === 429 || status === 503) {
    return new Failure({ status, requestId, title: "The service is busy", detail: "Try again in a moment." });
  }
  if (status >= 500 || response.ok) {
    return new Failure({
      status, requestId, title: "Something went wrong on the server", detail: "It is not your fault. Try again in a moment.",
    });
  }
  return new Failure({ status, requestId, title: problem.title ?? "The request was refused", detail });
}

/** The movies that most people know, loaded once. */
class Catalogue {
  async wellKnown() {
    this.loading ??= ask("v1/movies", { query: { query: "", limit: WELL_KNOWN } });
    try {
      return (await this.loading).movies;
    } catch (failure) {
      this.loading = null;
      throw failure;
    }
  }
}

/** Asks for the API key, once for all requests that wait for it. */
const keyDesk = {
  key: recall(sessionStorageOrNone(), KEY_NAME),
  waiting: null,
  ask(refused) {
    this.waiting ??= new Promise((resolve) => {
      const form = byId("key-form");
      byId("key-refused").textContent = refused ? "That key was not accepted." : "";
      form.hidden = false;
      byId("key").focus();
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.key = byId("key").value.trim();
        keep(sessionStorageOrNone(), KEY_NAME, this.key);
        form.hidden = true;
        this.waiting = null;
        resolve();
      }, { once: true });
    });
    return this.waiting;
  },
};

/**
 * Show a failure in a region of the page, with a way to try again; null clears it. The focus, where it was on that
 * way, goes to the next one, or to what the region's data-home names: what was asked for is there.
 */
function showFailure(region, failure, retry = null) {
  const hadFocus = region.contains(document.activeElement);
  region.replaceChildren();
  if (!failure) {
    if (hadFocus) byId(region.dataset.home).focus();
    return;
  }
  if (!(failure instanceof Failure)) throw failure; // a mistake of this page belongs on the console
  const again = retry && make("button", { type: "button", class: "solid", click: retry }, "Try again");
  region.append(make("div", { class: "message failed", role: "alert" },
    make("strong", {}, failure.title),
    failure.detail ? make("p", {}, failure.detail) : null,
    failure.requestId ? make("p", { class: "hint" }, "Request ", make("code", {}, failure.requestId)) : null,
    again));
  if (hadFocus) again?.focus();
}
