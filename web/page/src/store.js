// What the page knows. The owner of a state publishes it; nothing here is derived twice.
import { batch, computed, signal } from "@preact/signals";

const KEPT_EVENTS = 2000;
const KEPT_MESSAGES = 300;

/** Kinds of events that the flow shows between the messages. */
const NEWS = ["notice", "budget_reached"];

/** {state: "connecting" | "live" | "away" | "offline", why} */
export const connection = signal({ state: "connecting", why: "" });
export const status = signal(null);
/** When `status` came, in epoch seconds; ages count up from there. */
export const statusAt = signal(0);
export const events = signal([]);
/** Messages and notices of the flow, oldest first. */
export const flow = signal([]);
export const selected = signal(null);
export const replyTo = signal(null);
export const now = signal(Date.now() / 1000);

export const agentNames = computed(() =>
  (status.value?.agents ?? []).map((agent) => agent.name).join(" "),
);

/** The agents, with what was published about them since the status was taken. */
export const agents = computed(() => {
  const news = (kind, change) => (list) =>
    since(status.value, kind).reduce(
      (known, event) =>
        known.map((each) => (each.name === event.agent ? { ...each, ...change(event) } : each)),
      list,
    );
  const moved = news("status_changed", ({ at, state, reason, until, condition, credential }) => ({
    since: at,
    state,
    reason,
    until,
    condition,
    credential,
  }));
  const said = news("said", ({ text }) => ({ says: text }));
  return said(moved(status.value?.agents ?? []));
});

/** The gates that are not simply open, with what was published since the status was taken. */
export const gates = computed(() =>
  since(status.value, "gate_changed").reduce((list, { gate }) => {
    const same = (each) => each.credential === gate.credential && each.bucket === gate.bucket;
    if (gate.state === "open") return list.filter((each) => !same(each));
    return list.some(same) ? list.map((each) => (same(each) ? gate : each)) : [...list, gate];
  }, status.value?.gates ?? []),
);

/** Events of one kind that `snapshot`, a status, does not include yet. */
function since(snapshot, kind) {
  const found = [];
  if (!snapshot) return found;
  const list = events.value;
  for (let i = list.length - 1; i >= 0 && list[i].seq > snapshot.seq; i--)
    if (list[i].kind === kind) found.unshift(list[i]);
  return found;
}

let seq = 0;
export const lastSeq = () => seq;

setInterval(() => (now.value = Date.now() / 1000), 1000);

export function setStatus(value) {
  batch(() => {
    status.value = value;
    statusAt.value = Date.now() / 1000;
    now.value = statusAt.value;
  });
}

export function setSnapshot(snapshot) {
  batch(() => {
    seq = snapshot.seq;
    events.value = snapshot.events;
    const notices = snapshot.events.filter((event) => NEWS.includes(event.kind));
    const items = [...snapshot.messages, ...notices].sort((a, b) => a.seq - b.seq);
    flow.value = items.reduce(foldFlow, []);
    setStatus(snapshot.status);
  });
}

/** Take stream events; what a snapshot already had is dropped. */
export function addEvents(list) {
  const fresh = list.filter((event) => event.seq > seq);
  if (fresh.length === 0) return;
  seq = fresh[fresh.length - 1].seq;
  batch(() => {
    events.value = [...events.value, ...fresh].slice(-KEPT_EVENTS);
    flow.value = fresh.reduce(foldFlow, flow.value).slice(-KEPT_MESSAGES);
  });
}

function foldFlow(items, event) {
  if (event.kind === "message_sent") return withMessage(items, event);
  if (NEWS.includes(event.kind)) return [...items, event];
  if (event.kind === "message_moved") {
    const ids = new Set(event.ids);
    const move = (one) => (ids.has(one.id) ? { ...one, state: event.state, why: event.why } : one);
    return items.map((item) => {
      if (item.kind !== "message_sent") return item;
      if (!item.parts) return move(item);
      return item.parts.some((one) => ids.has(one.id))
        ? { ...item, parts: item.parts.map(move) }
        : item;
    });
  }
  return items;
}

/** A broadcast is one item, whose `parts` are its messages to each recipient. */
function withMessage(items, event) {
  const message = { state: "queued", why: "", ...event };
  if (!message.broadcast_id) return [...items, message];
  const same = (item) => item.broadcast_id === message.broadcast_id;
  if (!items.some(same)) return [...items, { ...message, parts: [message] }];
  return items.map((item) => (same(item) ? { ...item, parts: [...item.parts, message] } : item));
}
