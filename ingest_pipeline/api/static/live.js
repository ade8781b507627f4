// Keeps a page up to date: asks for it again and puts in what has changed, and nothing else, so
// that focus, scrolling and players stay as they are.

const SOON = 3_000, LATER = 15_000; // milliseconds
const shownHtml = new WeakMap(); // of each card: how the server sent it

let timer;
let isExpectant = () => false;
let onRefreshed = async () => {};

/** Start refreshing; `expectant` says whether something is about to change beside what is shown. */
export function keepFresh({ expectant = isExpectant, refreshed = onRefreshed } = {}) {
  isExpectant = expectant;
  onRefreshed = refreshed;
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : refresh()));
  schedule();
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Refresh now, and go on from there. */
export async function refresh() {
  stop();
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const fresh of page.querySelectorAll("[data-live]")) update(fresh);
      await onRefreshed();
    }
  } catch {
    // The API is away, or the machine asleep: the next time may do.
  }
  if (!document.hidden) schedule();
}

function stop() {
  clearTimeout(timer);
}

function schedule() {
  stop();
  const isBusy = document.querySelector("[data-busy]") || isExpectant();
  timer = setTimeout(refresh, isBusy ? SOON : LATER);
}

function update(fresh) {
  const old = document.querySelector(`[data-live="${fresh.dataset.live}"]`);
  if (!old || sent(old) === fresh.outerHTML) return;
  const media = old.querySelector("audio, video");
  if (media && (!media.paused || media.currentTime)) return; // nobody loses their place
  for (const details of fresh.querySelectorAll("details")) details.open = Boolean(old.querySelector("details[open]"));
  const focused = old.contains(document.activeElement) && document.activeElement;
  const cards = old.querySelector("[data-cards]"), freshCards = fresh.querySelector("[data-cards]");
  if (cards && freshCards) keepCards(cards, freshCards);
  const html = sent(fresh);
  old.replaceWith(fresh);
  shownHtml.set(fresh, html);
  if (focused) refocus(fresh, focused);
}

/** Put the cards that did not change into the fresh list as they are, loaded pictures and all. */
function keepCards(cards, freshCards) {
  const old = new Map([...cards.children].map((card) => [card.dataset.id, card]));
  for (const fresh of [...freshCards.children]) {
    const card = old.get(fresh.dataset.id);
    const html = sent(fresh);
    if (card && sent(card) === html) fresh.replaceWith(card);
    else if (card) say(textOf(fresh));
    shownHtml.set(card && sent(card) === html ? card : fresh, html);
  }
}

function sent(element) {
  return shownHtml.get(element) ?? element.outerHTML;
}

export function textOf(card) {
  const parts = [...card.querySelectorAll(".whole, .badge, .reason")];
  return parts.map((part) => part.textContent.trim()).join(", ");
}

function refocus(fresh, focused) {
  const same = focused.isConnected
    ? focused
    : [...fresh.querySelectorAll("a, button, summary")].find(
        (each) => each.tagName === focused.tagName && each.getAttribute("href") === focused.getAttribute("href"),
      );
  same?.focus({ preventScroll: true });
}
