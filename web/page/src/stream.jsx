// One agent's live stream: what its model writes, calls and gets, turn by turn.
import { memo } from "preact/compat";
import { useEffect, useState } from "preact/hooks";

import { brief, clock, count, dollars, duration, pretty } from "./format.js";
import { ask } from "./link.js";
import { Badge, Empty, Name } from "./parts.jsx";
import { useStickToEnd } from "./scroll.js";
import { agents, events, selected } from "./store.js";

const SHOWN = 400;
const KINDS = {
  turn_started: TurnStarted,
  turn_ended: TurnEnded,
  text: Text,
  tool_call: ToolCall,
  tool_result: ToolResult,
  api_retry: ApiRetry,
  status_changed: StatusChanged,
};

/** This agent's events: older ones asked for once, newer ones from the page's stream. */
function useAgentEvents(agent) {
  const [older, setOlder] = useState({ list: [], error: "" });
  useEffect(() => {
    let gone = false;
    ask(`/api/events?agent=${encodeURIComponent(agent)}&limit=${SHOWN}`)
      .then((answer) => gone || setOlder({ list: answer.events, error: "" }))
      .catch((error) => gone || setOlder({ list: [], error: error.message }));
    return () => (gone = true);
  }, [agent]);
  const edge = older.list.at(-1)?.seq ?? 0;
  const newer = events.value.filter((event) => event.agent === agent && event.seq > edge);
  const list = [...older.list, ...newer].filter((event) => event.kind in KINDS);
  return [list.slice(-SHOWN), older.error];
}

export function Stream({ agent }) {
  const [list, error] = useAgentEvents(agent);
  const [ref, behind, toEnd] = useStickToEnd(list.at(-1)?.seq);
  const about = agents.value.find((each) => each.name === agent);
  return (
    <aside class="stream" aria-label={`Live stream of ${agent}`}>
      <div class="stream-head">
        <Name name={agent} />
        {about && <Badge of={about} />}
        <button class="close" aria-label="close" onClick={() => (selected.value = null)}>
          ×
        </button>
      </div>
      {about?.session && (
        <p class="session">
          session <code>{about.session}</code>
        </p>
      )}
      {error && <p class="notice is-warning">older events are missing: {error}</p>}
      <div class="scroll" ref={ref}>
        {list.map((event) => (
          <Entry key={event.seq} event={event} />
        ))}
        {list.length === 0 && (
          <Empty title="Nothing yet">
            What {agent} thinks, calls and answers appears here as soon as a message wakes it.
          </Empty>
        )}
      </div>
      {behind && (
        <button class="to-end" onClick={toEnd}>
          newer ↓
        </button>
      )}
    </aside>
  );
}

const Entry = memo(function Entry({ event }) {
  const Kind = KINDS[event.kind];
  return <Kind event={event} />;
});

function TurnStarted({ event }) {
  return (
    <p class="turn">
      <span>
        <b>Turn</b> on {event.messages.map((id) => `#${id}`).join(", ") || "nothing"}
      </span>
      <time>{clock(event.at)}</time>
    </p>
  );
}

function TurnEnded({ event }) {
  const usage = event.usage;
  const read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
  return (
    <p class="turn is-end">
      <span class={`outcome is-${event.outcome}`}>{event.outcome.replaceAll("_", " ")}</span>
      <span>{duration(event.duration_s)}</span>
      <span title="tokens read and written">
        {count(read)} in, {count(usage.output_tokens)} out
      </span>
      <span>{dollars(usage.cost_usd)}</span>
      <time>{clock(event.at)}</time>
      {event.detail && event.outcome !== "completed" && <span class="why">{event.detail}</span>}
    </p>
  );
}

function Text({ event }) {
  return <div class="said body">{event.text}</div>;
}

function ToolCall({ event }) {
  return (
    <details class="tool">
      <summary>
        <span class="tool-name">{event.tool.replace(/^mcp__hive__/, "hive: ")}</span>
        <span class="tool-brief">{brief(event.arguments)}</span>
      </summary>
      <pre>{pretty(event.arguments)}</pre>
    </details>
  );
}

function ToolResult({ event }) {
  return (
    <details class={event.is_error ? "tool is-result is-error" : "tool is-result"}>
      <summary>
        <span class="tool-name">{event.is_error ? "failed" : "result"}</span>
        <span class="tool-brief">{event.text}</span>
      </summary>
      <pre>{pretty(event.text)}</pre>
    </details>
  );
}

function ApiRetry({ event }) {
  return (
    <p class="aside">
      The API is asked again in {duration(event.delay_s)} (attempt {event.attempt}): {event.error}
    </p>
  );
}

function StatusChanged({ event }) {
  return (
    <p class="aside">
      <Badge of={event} /> {event.reason} <time>{clock(event.at)}</time>
    </p>
  );
}
