// Plays a ladder, and shows moments of it to go to.

const HLS = "application/vnd.apple.mpegurl";
const begun = new WeakSet(); // players; a refreshed page brings new ones

/** Make what there is on the page play: called again, it leaves alone what plays already. */
export async function play() {
  const video = document.querySelector("video[data-stream]");
  if (!video || begun.has(video)) return;
  begun.add(video);
  await Promise.all([attach(video), showMoments(video)]);
}

async function attach(video) {
  const file = video.src; // what plays where the stream does not
  if (!window.MediaSource && video.canPlayType(HLS)) {
    video.src = video.dataset.stream;
    return;
  }
  await load("/static/hls.light.min.js");
  const { Hls } = window;
  if (!Hls?.isSupported()) return;
  const hls = new Hls({ enableWorker: false, capLevelToPlayerSize: true });
  hls.on(Hls.Events.ERROR, (_, error) => {
    if (!error.fatal) return;
    hls.destroy();
    video.src = file;
  });
  hls.loadSource(new URL(video.dataset.stream, location.href).href);
  hls.attachMedia(video);
}

function load(script) {
  return new Promise((resolve) => {
    const element = document.createElement("script");
    element.src = script;
    element.onload = element.onerror = resolve;
    document.head.append(element);
  });
}

async function showMoments(video) {
  const strip = document.querySelector("[data-storyboard]");
  if (!strip) return; // a ladder of MediaConvert
  const response = await fetch(strip.dataset.storyboard).catch(() => null);
  if (!response?.ok) return;
  for (const cue of (await response.text()).split("\n\n").slice(1)) strip.append(moment(cue, video, response.url));
  strip.hidden = false;
}

function moment(cue, video, base) {
  const [times, target] = cue.trim().split("\n");
  const seconds = times.split(" ")[0].split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  const [image, part] = target.split("#xywh=");
  const [x, y, width, height] = part.split(",").map(Number);
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-label", `Go to ${times.slice(0, 8)}`);
  Object.assign(button.style, {
    width: `${width}px`,
    height: `${height}px`,
    backgroundImage: `url("${new URL(image, base)}")`,
    backgroundPosition: `-${x}px -${y}px`,
  });
  button.addEventListener("click", () => (video.currentTime = seconds));
  return button;
}
