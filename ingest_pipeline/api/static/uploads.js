// Puts files into the bucket by signed links, a few at a time, and shows each until its outcome.

import { say, textOf } from "./live.js";

const AT_ONCE = 3;
const section = document.getElementById("uploads");
const list = section.querySelector("ul");
const template = document.getElementById("upload");
const queue = []; // {file, item}: not begun yet
const waiting = new Set(); // {item, key, etag}: stored, without a final outcome yet
let underWay = 0;

addEventListener("beforeunload", (event) => {
  if (underWay) event.preventDefault(); // the browser asks whether to leave
});

/** Whether any upload is under way or without its outcome. */
export function isWaiting() {
  return waiting.size + underWay > 0;
}

/** Put files in; resolves when all are stored or have failed. */
export async function putIn(files) {
  section.hidden = false;
  queue.push(...files.map((file) => ({ file, item: newItem(file) })));
  await Promise.all(Array.from({ length: AT_ONCE - underWay }, work));
}

async function work() {
  underWay += 1;
  while (queue.length) await upload(queue.shift());
  underWay -= 1;
}

async function upload({ file, item }) {
  try {
    const { url, key } = await invite(file);
    tell(item, "Uploading");
    const etag = await put(file, url, item.querySelector("progress"));
    tell(item, "Stored; waiting for its outcome");
    waiting.add({ item, key, etag });
  } catch (error) {
    item.classList.add("broken");
    item.querySelector("progress").hidden = true;
    tell(item, error.message);
  }
}

async function invite(file) {
  const response = await fetch("/uploads", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: file.name, size: file.size }),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  const words = answer.message ?? answer.detail.map((each) => each.msg).join("; ");
  throw new Error(`Not taken: ${words}`);
}

function put(file, url, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of an upload's progress
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress.value = event.total ? event.loaded / event.total : 1;
    };
    request.onload = () => {
      if (request.status >= 300) return reject(new Error(`The storage refused it (${request.status})`));
      progress.value = 1;
      resolve(request.getResponseHeader("ETag").replaceAll('"', ""));
    };
    request.onerror = () => reject(new Error("The connection broke; try it again"));
    request.open("PUT", url);
    request.send(file);
  });
}

/** Ask what has become of each upload, and show it. */
export async function lookAtUploads() {
  await Promise.all([...waiting].map(lookAt));
  for (const item of [...list.children]) {
    const isSettled = item.dataset.id && !item.hasAttribute("data-busy");
    const shown = isSettled && document.querySelector(`[data-cards] [data-id="${CSS.escape(item.dataset.id)}"]`);
    if (shown) remove(item, shown);
  }
}

async function lookAt(upload) {
  const query = new URLSearchParams({ key: upload.key, etag: upload.etag });
  const response = await fetch(`/uploads?${query}`, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const item = page.querySelector(".card");
  if (item.outerHTML !== upload.html) {
    upload.html = item.outerHTML;
    upload.item.replaceWith(item);
    upload.item = item;
  }
  if (!item.hasAttribute("data-busy")) {
    waiting.delete(upload);
    say(textOf(item));
  }
}

function newItem(file) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.querySelector(".head").textContent = file.name;
  item.querySelector("progress").setAttribute("aria-label", `Upload of ${file.name}`);
  item.querySelector("button").addEventListener("click", () => remove(item, document.getElementById("files")));
  list.append(item);
  return item;
}

function remove(item, next) {
  const hadFocus = item.contains(document.activeElement);
  item.remove();
  section.hidden = !list.children.length;
  if (hadFocus) (next.querySelector("a") ?? next).focus();
}

function tell(item, text) {
  item.querySelector(".state").textContent = text;
}
