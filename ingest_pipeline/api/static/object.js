import { keepFresh } from "./live.js";
import { play } from "./stream.js";

// A time in the transcript plays the recording from there; the list is replaced when the page is.
document.addEventListener("click", (event) => {
  const time = event.target.closest("[data-seek]");
  const player = document.querySelector("[data-player]");
  if (!time || !player) return;
  player.currentTime = Number(time.dataset.seek);
  player.play();
});

play();
keepFresh({ refreshed: play });
