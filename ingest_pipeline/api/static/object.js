import { keepFresh } from "./live.js";
import { play } from "./stream.js";

play();
keepFresh({ refreshed: play });
