import { span, until } from "./format.js";
import { Badge, Empty, Name } from "./parts.jsx";
import { agents, now, selected, status, statusAt } from "./store.js";

const DEFAULT_CREDENTIAL = "default";

export function Agents() {
  const list = agents.value;
  return (
    <section class="panel agents" aria-label="Agents">
      <h2>
        Agents <span class="count">{list.length || ""}</span>
      </h2>
      {list.map((agent) => (
        <Agent key={agent.name} agent={agent} />
      ))}
      {status.value && list.length === 0 && (
        <Empty title="No agents yet">
          Create one in a terminal: <code>hive spawn manager --root {status.value.root}</code>
        </Empty>
      )}
    </section>
  );
}

function Agent({ agent }) {
  const open = selected.value === agent.name;
  return (
    <button
      class={open ? "agent is-open" : "agent"}
      aria-pressed={open}
      onClick={() => (selected.value = open ? null : agent.name)}
    >
      <span class="agent-line">
        <Name name={agent.name} />
        {agent.turn && <span class="working">working</span>}
        <Badge of={agent} />
      </span>
      {(agent.reason || agent.until) && (
        <span class="agent-reason">
          {agent.reason}
          {agent.until && <b> until {until(agent.until)}</b>}
        </span>
      )}
      {agent.says && <span class="agent-says">{agent.says}</span>}
      <span class="agent-facts">
        <Mail agent={agent} />
        {agent.credential !== DEFAULT_CREDENTIAL && <span>credential {agent.credential}</span>}
        {agent.model && <span>{agent.model}</span>}
        {agent.restarts > 0 && <span>{agent.restarts}× restarted</span>}
        {agent.state === "running" && !agent.connected && (
          <span class="warn">harness not connected</span>
        )}
        {agent.last_tick_age_s !== null && <Tick seconds={agent.last_tick_age_s} />}
      </span>
    </button>
  );
}

function Mail({ agent }) {
  const facts = [];
  if (agent.queued > 0) facts.push(`${agent.queued} queued`);
  if (agent.leased > 0) facts.push(`${agent.leased} in work`);
  if (agent.held > 0) facts.push(`${agent.held} held for you`);
  if (facts.length === 0) return <span>no mail</span>;
  return <span class="mail">{facts.join(", ")}</span>;
}

/** The age of the serve loop's last tick, counting on while no news comes. */
export function Tick({ seconds }) {
  const total = seconds + now.value - statusAt.value;
  return <span title="age of the last tick">tick {span(total)} ago</span>;
}
