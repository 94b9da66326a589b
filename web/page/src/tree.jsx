import { span, until } from "./format.js";
import { now, status, statusAt } from "./store.js";

export function Tree() {
  const tree = status.value?.tree;
  if (!tree) return null;
  return (
    <details class="panel tree">
      <summary>
        <h2>Supervisor tree</h2>
      </summary>
      <ul class="roots">
        <Node node={tree} />
      </ul>
    </details>
  );
}

function Node({ node }) {
  const name = node.path.split("/").filter(Boolean).pop() ?? node.path;
  const line = (
    <>
      <span class={`dot state-${node.state}`} title={node.state} />
      <span class="node-name" title={node.path}>
        {name}
      </span>
      <span class="node-facts">{facts(node).join(" · ")}</span>
    </>
  );
  if (node.children.length === 0) return <li class="leaf">{line}</li>;
  return (
    <li>
      <details open>
        <summary>{line}</summary>
        <ul>
          {node.children.map((child) => (
            <Node key={child.path} node={child} />
          ))}
        </ul>
      </details>
    </li>
  );
}

function facts(node) {
  const found = [];
  if (node.state !== "running") found.push(node.state);
  if (node.reason) found.push(node.reason);
  if (node.until) found.push(`until ${until(node.until)}`);
  if (node.restarts) found.push(`${node.restarts}×`);
  if (node.last_tick_age_s !== null)
    found.push(span(node.last_tick_age_s + now.value - statusAt.value));
  return found;
}
