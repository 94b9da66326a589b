// The small shared pieces: a state's badge, a name's token, an empty panel's advice.
import { condition, hue } from "./format.js";

/** A state as colour and word; first, in red, why there must be no work. */
export const Badge = ({ of: { state, condition: why } }) => (
  <span class="badges">
    {why !== "online" && <span class="badge is-alarm">{condition(why)}</span>}
    {(why === "online" || !["running", "parked"].includes(state)) && (
      <span class={`badge state-${state}`}>{state}</span>
    )}
  </span>
);

/** A name with its own colour. */
export const Name = ({ name }) => (
  <span class="name" style={{ "--hue": hue(name) }}>
    {name}
  </span>
);

export const Empty = ({ title, children }) => (
  <div class="empty">
    <p class="empty-title">{title}</p>
    <p>{children}</p>
  </div>
);
