// The send box. The text area is uncontrolled: nothing that happens in the hive renders it anew.
import { useEffect, useRef, useState } from "preact/hooks";

import { ask } from "./link.js";
import { agentNames, replyTo } from "./store.js";

const EVERYBODY = "*";

export function Composer() {
  const names = agentNames.value.split(" ").filter(Boolean);
  const reply = replyTo.value;
  const text = useRef(null);
  // The key of a text stays the same until it is sent, so that a repeated click sends once.
  const key = useRef(null);
  const [chosen, setChosen] = useState("");
  const [result, setResult] = useState({ kind: "", text: "" });
  const known = names.includes(chosen) || (chosen === EVERYBODY && names.length > 1);
  const to = reply?.to ?? (known ? chosen : (names[0] ?? ""));

  useEffect(() => {
    if (reply) text.current.focus();
  }, [reply]);

  useEffect(() => {
    key.current = null;
  }, [to, reply]);

  async function send(event) {
    event?.preventDefault();
    const body = text.current.value;
    if (!body.trim()) return setResult({ kind: "error", text: "There is no text to send." });
    key.current ??= crypto.randomUUID();
    const message = { to, body, in_reply_to: reply?.id ?? null, key: key.current };
    setResult({ kind: "", text: "sending…" });
    try {
      const { id } = await ask("/api/send", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(message),
      });
      if (text.current.value === body) text.current.value = "";
      key.current = null;
      replyTo.value = null;
      setResult({ kind: "ok", text: `sent to ${to === EVERYBODY ? "all agents" : to} as #${id}` });
    } catch (error) {
      setResult({ kind: "error", text: `not sent: ${error.message}` });
    }
  }

  return (
    <form class="composer" onSubmit={send}>
      <div class="composer-line">
        <label>
          To{" "}
          <select
            value={to}
            disabled={names.length === 0}
            onChange={(event) => {
              replyTo.value = null;
              setChosen(event.currentTarget.value);
            }}
          >
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
            {names.length > 1 && <option value={EVERYBODY}>all agents</option>}
          </select>
        </label>
        {reply && (
          <span class="replying">
            reply to #{reply.id}
            <button type="button" aria-label="no reply" onClick={() => (replyTo.value = null)}>
              ×
            </button>
          </span>
        )}
        <span class={`result is-${result.kind}`} role="status">
          {result.text}
        </span>
      </div>
      <div class="composer-line">
        <textarea
          ref={text}
          rows={3}
          placeholder="Write to an agent…"
          aria-label="Message"
          onInput={() => (key.current = null)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
          }}
        />
        <button class="primary" disabled={names.length === 0} title="Ctrl+Enter">
          Send
        </button>
      </div>
    </form>
  );
}
