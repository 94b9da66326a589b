import { Gates } from "./gates.jsx";
import { connection, status } from "./store.js";

const WORDS = { connecting: "connecting", live: "live", away: "daemon away", offline: "offline" };

export function Header() {
  const { state, why } = connection.value;
  const notices = status.value?.notices ?? [];
  return (
    <header class="header">
      <div class="bar">
        <img class="logo" src="/static/icon.svg" alt="" />
        <h1>Hyperhive</h1>
        {status.value && (
          <code class="root" title="The hive's root folder">
            {status.value.root}
          </code>
        )}
        {status.value?.demo && (
          <span class="demo">Demo: a scripted model answers, no credentials</span>
        )}
        <span class={`connection is-${state}`} role="status" title={why}>
          {WORDS[state]}
        </span>
      </div>
      {why && state !== "live" && <p class="notice is-warning">{why}</p>}
      <div role="status" class="notices">
        {notices.map((notice) => (
          <p class="notice" key={notice}>
            {notice}
          </p>
        ))}
      </div>
      <Gates />
    </header>
  );
}
