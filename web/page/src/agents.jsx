import { age, until } from "./format.js";
import { Badge, Empty, Name } from "./parts.jsx";
import { now, selected, status, statusAt } from "./store.js";

export function Agents() {
  const agents = status.value?.agents ?? [];
  return (
    <section class="panel agents" aria-label="Agents">
      <h2>
        Agents <span class="count">{agents.length || ""}</span>
      </h2>
      {agents.map((agent) => (
        <Agent key={agent.name} agent={agent} />
      ))}
      {status.value && agents.length === 0 && (
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
        <Badge state={agent.state} />
      </span>
      {(agent.reason || agent.until) && (
        <span class="agent-reason">
          {agent.reason}
          {agent.until && <b> until {until(agent.until)}</b>}
        </span>
      )}
      <span class="agent-facts">
        <Mail agent={agent} />
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
  if (!agent.queued && !agent.leased) return <span>no mail</span>;
  return (
    <span class="mail">
      {agent.queued > 0 && `${agent.queued} queued`}
      {agent.queued > 0 && agent.leased > 0 && ", "}
      {agent.leased > 0 && `${agent.leased} in work`}
    </span>
  );
}

/** The age of the serve loop's last tick, counting on while no news comes. */
export function Tick({ seconds }) {
  const total = seconds + now.value - statusAt.value;
  return <span title="age of the last tick">tick {age(total)} ago</span>;
}
