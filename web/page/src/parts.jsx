// The small shared pieces: a state's badge, a name's token, an empty panel's advice.
import { hue } from "./format.js";

/** A state as colour and word. */
export const Badge = ({ state }) => <span class={`badge state-${state}`}>{state}</span>;

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
