import { memo } from "preact/compat";
import { useState } from "preact/hooks";

import { clock, count, dollars } from "./format.js";
import { Empty, Name } from "./parts.jsx";
import { useStickToEnd } from "./scroll.js";
import { flow, replyTo, selected, status } from "./store.js";

const LONG = 900;

export function Flow() {
  const items = flow.value;
  const [ref, behind, toEnd] = useStickToEnd(items.at(-1)?.seq);
  return (
    <section class="flow" aria-label="Messages">
      <div class="scroll" ref={ref}>
        {items.map((item) =>
          item.kind === "message_sent" ? (
            <Message key={item.seq} message={item} />
          ) : (
            <p class="flow-notice" key={item.seq}>
              <time>{clock(item.at)}</time>{" "}
              {item.kind === "budget_reached" ? <Budget of={item} /> : item.text}
            </p>
          ),
        )}
        {status.value && items.length === 0 && (
          <Empty title="No messages yet">
            Nothing wakes an agent but a message: write one below, and watch it being worked on.
          </Empty>
        )}
      </div>
      {behind && (
        <button class="to-end" onClick={toEnd}>
          newer messages ↓
        </button>
      )}
    </section>
  );
}

const Message = memo(function Message({ message }) {
  const [whole, setWhole] = useState(false);
  const long = message.body.length > LONG;
  const fromOperator = message.sender === "operator";
  return (
    <article id={`m${message.id}`} class={fromOperator ? "message is-mine" : "message"}>
      <div class="message-head">
        <Who name={message.sender} />
        <span class="arrow">→</span>
        {message.parts ? <span>all agents</span> : <Who name={message.recipient} />}
        {message.in_reply_to && (
          <a href={`#m${message.in_reply_to}`}>reply to #{message.in_reply_to}</a>
        )}
        <span class="message-meta">
          {!fromOperator && message.sender !== "hive" && (
            <button
              class="reply"
              onClick={() => (replyTo.value = { id: message.id, to: message.sender })}
            >
              reply
            </button>
          )}
          {!message.parts && <Passage of={message} />}
          <span>#{message.id}</span>
          <time>{clock(message.at)}</time>
        </span>
      </div>
      <div class="body">{long && !whole ? `${message.body.slice(0, LONG)}…` : message.body}</div>
      {message.parts && <Parts of={message.parts} />}
      {[message, ...(message.parts ?? [])]
        .filter(({ state, parts }) => !parts && ["dead", "held"].includes(state))
        .map((one) => (
          <p class="why" key={one.id}>
            {message.parts && `${one.recipient}: `}
            {one.why}
          </p>
        ))}
      {long && (
        <button class="more" onClick={() => setWhole(!whole)}>
          {whole ? "show less" : "show all"}
        </button>
      )}
    </article>
  );
});

function Passage({ of: { state, recipient, why } }) {
  return (
    <span class={`passage is-${state}`} title={why}>
      {state === "queued" && recipient === "operator" ? "for you" : state}
    </span>
  );
}

/** What became of a broadcast, for each who got it. */
function Parts({ of: parts }) {
  return (
    <ul class="message-parts">
      {parts.map((part, place) => (
        <li key={part.id} id={place ? `m${part.id}` : undefined}>
          <Who name={part.recipient} /> <Passage of={part} />
        </li>
      ))}
    </ul>
  );
}

function Budget({ of: { budget, share } }) {
  const amount = budget.unit === "usd" ? dollars : (tokens) => `${count(tokens)} tokens`;
  return (
    <>
      The budget of {budget.scope} {budget.period === "day" ? "for the day" : "in total"} is used to{" "}
      {Math.round(share * 100)} %: {amount(budget.spent)} of {amount(budget.amount)}
    </>
  );
}

function Who({ name }) {
  if (name === "operator" || name === "hive") return <Name name={name} />;
  return (
    <button class="who" onClick={() => (selected.value = name)}>
      <Name name={name} />
    </button>
  );
}
