import { render } from "preact";

import { Agents } from "./agents.jsx";
import { Composer } from "./composer.jsx";
import { Flow } from "./flow.jsx";
import { Header } from "./header.jsx";
import { stayConnected } from "./link.js";
import { selected } from "./store.js";
import { Stream } from "./stream.jsx";
import { Tree } from "./tree.jsx";
import "./style.css";
import "./gates.css";
import "./parts.css";
import "./composer.css";
import "./stream.css";

function App() {
  return (
    <div class={selected.value ? "app with-stream" : "app"}>
      <Header />
      <aside class="side">
        <Agents />
        <Tree />
      </aside>
      <main class="main">
        <Flow />
        <Composer />
      </main>
      {selected.value && <Stream key={selected.value} agent={selected.value} />}
    </div>
  );
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") selected.value = null;
});
render(<App />, document.getElementById("app"));
stayConnected();
