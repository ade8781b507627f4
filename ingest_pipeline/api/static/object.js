import { keepFresh } from "./live.js";

keepFresh();
