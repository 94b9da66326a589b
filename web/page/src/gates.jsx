// What waits for a credential and until when: a banner for each gate that is not simply open.
import { condition, span, until } from "./format.js";
import { gates, now, status } from "./store.js";

const ALL_MODELS = "all";
const OWN = "own:"; // begins the credential's name of an agent with a login of its own
const LONGEST = 300;

/** The operator must act: time alone does not open it. */
const needsHand = (gate) =>
  gate.state === "held" ||
  (gate.state === "closed" && ["needs_login", "parked"].includes(gate.condition));

/** Screen readers are told of a banner when it comes, not each time that its numbers change. */
export function Gates() {
  const shown = gates.value;
  return (
    <div class="gates">
      <div role="alert" aria-atomic="false" aria-relevant="additions">
        {shown.filter(needsHand).map(banner)}
      </div>
      <div role="status" aria-relevant="additions">
        {shown.filter((gate) => !needsHand(gate)).map(banner)}
      </div>
    </div>
  );
}

const banner = (gate) => (
  <Banner key={`${gate.credential}/${gate.bucket}/${gate.state}/${gate.condition}`} gate={gate} />
);

function Banner({ gate }) {
  const waits = [plural(gate.waiting, "agent waits", "agents wait")];
  waits.push(plural(gate.queued, "message queued", "messages queued"));
  const counts = waits.filter(Boolean).join(", ");
  return (
    <div class={gate.state === "warned" ? "gate is-warned" : "gate"}>
      <p class="gate-line">
        <b>
          <What gate={gate} />
        </b>
        {counts && ` — ${counts}`}
      </p>
      <p class="gate-facts">
        <span>
          credential <bdi>{short(gate.credential)}</bdi>
          {gate.bucket !== ALL_MODELS && (
            <>
              , only <bdi>{short(gate.bucket)}</bdi>
            </>
          )}
        </span>
        {gate.source && (
          <span>
            found by <bdi>{short(gate.source)}</bdi>
          </span>
        )}
        {gate.reason && <bdi class="gate-reason">{short(gate.reason)}</bdi>}
        <Todo gate={gate} />
      </p>
    </div>
  );
}

function What({ gate }) {
  if (gate.state === "warned")
    return (
      <>
        near its limit
        {gate.until && (
          <>
            , which resets at <Moment at={gate.until} />
          </>
        )}
      </>
    );
  const word = condition(gate.condition);
  if (gate.state === "probing") return `${word}, ${short(gate.probe ?? "the next turn")} tries`;
  return (
    <>
      {gate.state === "held" ? "held by the operator" : word}
      {gate.until && (
        <>
          {" until "}
          <Moment at={gate.until} />
        </>
      )}
    </>
  );
}

/** A time and how long it takes till then; only this is rendered anew each second. */
function Moment({ at }) {
  const left = at - now.value;
  return (
    <>
      {until(at)}
      <span class="left" aria-hidden="true">
        {left > 0 ? `in ${span(left)}` : "any moment"}
      </span>
    </>
  );
}

/** The command that ends the waiting, where time does not. */
function Todo({ gate }) {
  if (!needsHand(gate)) return null;
  return (
    <span class="todo">
      {gate.state === "held" || gate.condition === "needs_login" ? "In a terminal:" : "When repaired:"}{" "}
      <code>
        hive {command(gate)} --root {status.value.root}
      </code>
    </span>
  );
}

function command({ state, condition, credential }) {
  if (state === "held") return `gate release ${credential}`;
  if (condition === "parked") return `gate probe ${credential}`;
  if (credential.startsWith(OWN)) return `login ${credential.slice(OWN.length)}`;
  return `login --credential ${credential}`;
}

const plural = (count, one, many) => count > 0 && `${count} ${count === 1 ? one : many}`;

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
