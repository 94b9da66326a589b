// Snapshot, then stream from its sequence number; a break in the stream starts over.
import { addEvents, connection, lastSeq, setSnapshot, setStatus } from "./store.js";

const RESYNC = 4408;
const SILENCE_MS = 15000;
const RETRY_MS = [300, 700, 1500, 3000];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Away extends Error {}

/** The JSON answer of a path; throws an Error with the server's own words, Away for no daemon. */
export async function ask(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json();
  if (response.ok) return answer;
  throw new (response.status === 503 ? Away : Error)(answer.error.message);
}

export async function stayConnected() {
  let stale = true;
  for (let failures = 0; ; ) {
    try {
      if (stale) {
        setSnapshot(await ask("/api/snapshot"));
        stale = false;
      }
      const { opened, resync } = await follow(lastSeq());
      stale = resync;
      if (opened) failures = 0;
      if (resync) continue;
      connection.value = { state: "offline", why: "reconnecting" };
    } catch (error) {
      connection.value =
        error instanceof Away
          ? { state: "away", why: error.message }
          : { state: "offline", why: "the page's server does not answer" };
    }
    await sleep(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }
}

function follow(since) {
  return new Promise((done) => {
    const socket = new WebSocket(`ws://${location.host}/ws?since=${since}`);
    let opened = false;
    let resync = false;
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => socket.close(), SILENCE_MS);
    };
    alive();
    socket.onopen = () => {
      opened = true;
      connection.value = { state: "live", why: "" };
    };
    socket.onmessage = ({ data }) => {
      alive();
      const frame = JSON.parse(data);
      if (frame.daemon) tellDaemon(frame.daemon.away);
      if (frame.events) addEvents(frame.events);
      if (frame.status) setStatus(frame.status);
      if (frame.resync) resync = true;
    };
    socket.onclose = ({ code }) => {
      clearTimeout(watchdog);
      done({ opened, resync: resync || code === RESYNC });
    };
  });
}

function tellDaemon(why) {
  connection.value = why
    ? { state: "away", why: `the daemon is away: ${why}` }
    : { state: "live", why: "" };
}
