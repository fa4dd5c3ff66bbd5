/* Start: learn what is served, then put the two sides together. */

const SETTLE = 160; // milliseconds after the last star before predictions are asked for

/** On a small screen a bar says what is first, as long as the list itself is out of sight. */
function setUpPeek() {
  new IntersectionObserver(([{ isIntersecting }]) => byId("peek").classList.toggle("is-needless", isIntersecting))
    .observe(document.querySelector(".ranking"));
}

/** The page's address may lack the closing slash that a relative link needs. */
function setUpDocsLink() {
  for (const link of document.querySelectorAll("footer a[href]")) link.href = new URL("docs", BASE);
}

async function start() {
  let card;
  try {
    card = await sayWhile(byId("start-waiting"), "Starting the service. After a quiet time this takes a few seconds.",
      ask("v1/model"));
  } catch (failure) {
    showFailure(byId("start-message"), failure, start);
    return;
  }
  byId("main").hidden = false;
  showFailure(byId("start-message"), null);
  showFacts(card);
  const scale = new Scale(card.rating_scale);
  const store = new Store();
  store.open(card.data_fingerprint, scale);
  const visitor = new Visitor(store);
  const catalogue = new Catalogue();
  const panel = new RatingPanel({ scale, store, catalogue });
  const ranking = new Ranking({ scale, store, catalogue, onRetry: () => panel.refresh() });
  const viewers = new ViewerPanel({ scale, onChoose: (who) => ranking.setWho(who) });

  const refreshSoon = debounce(() => {
    panel.refresh();
    ranking.refresh();
  }, SETTLE);
  store.listeners.push(refreshSoon);

  byId("tab-viewer").hidden = !card.shows_users;
  setUpPeek();
  setUpTabs((name) => {
    if (name === "you") ranking.setWho(visitor);
    else if (viewers.who) ranking.setWho(viewers.who);
    else viewers.start();
  });
  await Promise.all([ranking.setWho(visitor), panel.start()]);
}

function showFacts({ n_ratings: ratings, n_users: people, n_movies: movies, metrics, features }) {
  const facts = [
    [ratings.toLocaleString("en"), "ratings"],
    [people.toLocaleString("en"), "people"],
    [movies.toLocaleString("en"), "movies"],
    [metrics?.rmse?.[features]?.toFixed(3), "stars off (RMSE)"], // a model trained on everything was not measured
  ];
  byId("made-up").hidden = metrics?.lowest_rmse === undefined; // of ratings that people gave nobody knows it
  byId("facts").replaceChildren(...facts.filter(([value]) => value).map(([value, name]) => make("div", {},
    make("dt", {}, name), make("dd", {}, value))));
}

/** Tabs of the ARIA authoring practices: arrows move and choose, Tab leaves. */
function setUpTabs(onChoose) {
  const tabs = [...document.querySelectorAll("[role=tab]:not([hidden])")];
  const choose = (chosen) => {
    if (chosen.getAttribute("aria-selected") === "true") return;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    onChoose(chosen.id.replace("tab-", ""));
  };
  for (const [place, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const target = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      const next = tabs[(target + tabs.length) % tabs.length];
      next.focus();
      choose(next);
    });
  }
}

setUpDocsLink();
start();
