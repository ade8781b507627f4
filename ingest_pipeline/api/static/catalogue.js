import { keepFresh, refresh } from "./live.js";
import { isWaiting, lookAtUploads, putIn } from "./uploads.js";

const veil = document.getElementById("veil");
const input = document.getElementById("files");

keepFresh({ expectant: isWaiting, refreshed: lookAtUploads });

input.addEventListener("change", () => {
  take([...input.files]);
  input.value = ""; // so that the same file can be chosen again
});
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  veil.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) veil.hidden = true;
});
addEventListener("drop", (event) => {
  veil.hidden = true;
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  take([...event.dataTransfer.files]);
});

async function take(files) {
  await putIn(files);
  refresh();
}
