// Numbers and times as a reader wants them.
const two = (number) => String(number).padStart(2, "0");

export function clock(epoch, seconds = true) {
  const date = new Date(epoch * 1000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return seconds ? `${time}:${two(date.getSeconds())}` : time;
}

/** HH:MM, with seconds when it is near, with the date unless it is today. */
export function until(epoch) {
  const date = new Date(epoch * 1000);
  const near = Math.abs(date - Date.now()) < 600000;
  const today = date.toDateString() === new Date().toDateString();
  const day = date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return today ? clock(epoch, near) : `${day} ${clock(epoch, near)}`;
}

export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** A span that counts up or down in whole seconds. */
export const span = (seconds) =>
  seconds < 90 ? `${Math.max(0, Math.floor(seconds))} s` : duration(seconds);

/** Whether an agent may work, in words. */
export const condition = (word) => word.replaceAll("_", " ");

export const dollars = (amount) => `$${amount.toFixed(amount < 0.1 ? 4 : 2)}`;

export const count = (number) =>
  number < 10000 ? String(number) : `${(number / 1000).toFixed(number < 100000 ? 1 : 0)}k`;

/** A stable hue for a name. */
export function hue(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 33 + letter.codePointAt(0)) % 65536;
  return Math.round(hash * 137.508) % 360; // the golden angle keeps neighbours apart
}

/** A tool's arguments on one line: the values of a JSON object, or the text as it is. */
export function brief(text) {
  try {
    const values = Object.values(JSON.parse(text));
    return values.map((v) => (typeof v === "string" ? v : JSON.stringify(v))).join(" · ");
  } catch {
    return text;
  }
}

/** JSON with indentation, or the text as it is (it may have been cut). */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
