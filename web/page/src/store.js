// What the page knows. The owner of a state publishes it; nothing here is derived twice.
import { batch, computed, signal } from "@preact/signals";

const KEPT_EVENTS = 2000;
const KEPT_MESSAGES = 300;

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
    const notices = snapshot.events.filter((event) => event.kind === "notice");
    flow.value = [...snapshot.messages, ...notices].sort((a, b) => a.seq - b.seq);
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
  if (event.kind === "message_sent") return [...items, { ...event, state: "queued", why: "" }];
  if (event.kind === "notice") return [...items, event];
  if (event.kind === "message_moved") {
    const moved = new Set(event.ids);
    return items.map((item) =>
      item.kind === "message_sent" && moved.has(item.id)
        ? { ...item, state: event.state, why: event.why }
        : item,
    );
  }
  return items;
}
