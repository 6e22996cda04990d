/**
 * ecrm.js: tells ecrm what happens in a shop's pages. What can be called is in `ecrm.d.ts`.
 *
 * - Nothing throws into the page; what goes wrong goes to `onError`.
 * - Before consent nothing is stored and nothing sent: messages wait in memory. A refusal wipes.
 * - A message keeps its id until it is answered, whichever way and however often it travels, and
 *   the service takes an id once. So socket, beacon and another tab may all carry it, and tabs need
 *   no lock, which would keep pages out of the back-forward cache.
 * - Each message is stored under a key of its own: no tab overwrites what another has stored.
 */

const HERE = import.meta.url;
const ID = "ecrm:id";
const MESSAGE = "ecrm:m:";
const MAX_BATCH = 500; // wire.md §1
const MAX_BYTES = 60_000; // of a message, and of what goes in one go: a beacon takes 64 KiB
const PATIENCE = 30_000; // ms without a word until a connection counts as dead, or as not needed
const SLOWEST = 60_000; // ms between two attempts
const LINK = 2_000; // characters that the service takes of an address or a title

let settings = { queueSize: 1_000 };
let batches; // where these are posted to
let sockets; // where sockets lead to; null: nowhere
let granted; // undefined: not asked yet
let anonymousId;
let queue = new Map(); // what is unanswered, by id, in order: {id, body, size, sent, beaconed}
let line = null; // the socket, with its window once it is welcomed
let deaf = 0; // sockets in a row that were not welcomed
let overHttp, posting, careful, stopped, soon, storageFailed;
let counter = 0;
let failures = 0;
let retry = 0;
let watch = 0;

const report = (code, reason, more) => {
  try {
    settings.onError?.({ code, reason: String(reason), ...more });
  } catch {
    // A mistake in the page's onError is not made worse here.
  }
};

const safely = (work) => (...args) => {
  try {
    return work(...args);
  } catch (error) {
    report("failed", error);
  }
};

// Storage may be full, switched off or forbidden: memory does then, and one word about it.

const stored = (work) => {
  try {
    return work(localStorage);
  } catch (error) {
    if (!storageFailed) report("storage", error);
    storageFailed = true;
  }
};
const keys = () => stored((at) => Object.keys(at).filter((key) => key.startsWith(MESSAGE))) ?? [];
const keep = ({ id, body }) => granted && stored((at) => at.setItem(MESSAGE + id, body));
const entry = (id, body) => ({ id, body, size: new TextEncoder().encode(body).length });

const forget = (id) => {
  queue.delete(id);
  if (granted) stored((at) => at.removeItem(MESSAGE + id));
  careful &&= queue.size > 0;
};

/** Take over what pages that are gone have left unanswered. */
const adopt = () => {
  const left = new Map();
  for (const key of keys().sort()) {
    const id = key.slice(MESSAGE.length);
    const body = stored((at) => at.getItem(key));
    if (body && !queue.has(id)) left.set(id, entry(id, body));
  }
  queue = new Map([...left, ...queue]);
  bound();
};

const bound = () => {
  while (queue.size > settings.queueSize) {
    const [id] = queue.keys();
    forget(id);
    report("dropped", `more than ${settings.queueSize} messages wait`, { id });
  }
};

// Saying.

/** Pages without https have no randomUUID. */
const uuid = () =>
  crypto.randomUUID?.() ??
  "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16),
  );

/** Half an emoji, as a name that was cut ends with, would spoil the whole batch. */
const wellFormed = (_key, value) => (typeof value === "string" && value.toWellFormed?.()) || value;

const say = (type, fields) => {
  if (granted === false) return;
  // The time comes first: what is stored is sorted by it.
  const id = `${Date.now().toString(36)}-${String(counter++).padStart(5, "0")}-${uuid()}`;
  const originalTimestamp = new Date().toISOString();
  const message = { type, messageId: id, anonymousId, originalTimestamp, ...fields };
  const one = entry(id, JSON.stringify(message, wellFormed));
  if (one.size > MAX_BYTES) return report("too_large", `more than ${MAX_BYTES} bytes`, { id });
  queue.set(id, one);
  keep(one);
  bound();
  wake();
};

/** Once for all that is said in one go. */
const wake = () => {
  if (!soon) queueMicrotask(() => pump((soon = false)));
  soon = true;
};

const pump = safely(() => {
  if (!settings.key || !granted || stopped || retry || !queue.size) return;
  if (overHttp) return posting || post();
  if (!line) return connect();
  while (line?.window) {
    const waiting = [...queue.values()].filter((one) => one.sent === line).length;
    const batch = first((careful ? 1 : line.window) - waiting, (one) => one.sent !== line);
    if (!batch.length) return;
    line.send(written(batch, { type: "batch" }));
    for (const one of batch) one.sent = line;
    listen();
  }
});

/** The first of those wanted that travel together, in order. */
const first = (count, wanted) => {
  let bytes = MAX_BYTES;
  const fitting = [...queue.values()].filter(wanted).slice(0, Math.max(0, count));
  const end = fitting.findIndex((one) => (bytes -= one.size + 1) < -1);
  return end < 0 ? fitting : fitting.slice(0, end);
};

const written = (batch, head) =>
  JSON.stringify({ ...head, sentAt: new Date().toISOString() }).slice(0, -1) +
  `,"batch":[${batch.map((one) => one.body)}]}`;

// Over a socket (wire.md §1).

const connect = () => {
  let socket;
  try {
    socket = new WebSocket(sockets);
  } catch (error) {
    // A page of https may not open ws:.
    report("failed", error);
    overHttp = true;
    return pump();
  }
  line = socket;
  socket.onopen = () =>
    socket.send(JSON.stringify({ type: "hello", key: settings.key, client: "ecrm.js/1" }));
  socket.onmessage = safely(({ data }) => {
    if (socket !== line) return;
    listen();
    heard(JSON.parse(data));
    pump();
  });
  socket.onclose = () => socket === line && lost();
  listen();
};

const listen = () => {
  clearTimeout(watch);
  watch = setTimeout(() => (queue.size ? lost() : hangUp()), PATIENCE);
};

const hangUp = () => {
  clearTimeout(watch);
  const socket = line;
  line = null;
  socket?.close();
};

const lost = () => {
  deaf = line.window ? 0 : deaf + 1;
  overHttp = deaf > 1;
  hangUp();
  again();
};

const again = (atLeast = 0) => {
  const delay = Math.min(SLOWEST, 500 * 2 ** failures++) * (0.5 + Math.random());
  clearTimeout(retry);
  retry = setTimeout(hurry, Math.max(delay, atLeast));
};

const hurry = () => {
  clearTimeout(retry);
  retry = 0;
  pump();
};

const heard = (frame) => {
  const { type, ids = [], code, reason } = frame;
  if (type === "welcome") {
    line.window = Math.min(frame.window, MAX_BATCH);
    adopt();
  } else if (type === "ack") {
    failures = 0;
    ids.forEach(forget);
  } else if (type === "reject") {
    rejected(frame);
  } else if (type === "busy" || type === "unknown") {
    setTimeout(() => {
      for (const id of ids) delete queue.get(id)?.sent;
      pump();
    }, frame.retryAfterMs ?? 1_000);
  } else if (type === "error") {
    if (code === "unauthorized") refusedKey(reason);
    if (code === "too_large" || code === "invalid_frame")
      spoilt([...queue.values()].filter((one) => one.sent === line), code, reason);
  }
};

const rejected = ({ id, code, path, reason }) => {
  failures = 0;
  forget(id);
  report(code, reason, { id, path });
};

const refusedKey = (reason) => {
  stopped = true;
  report("unauthorized", reason);
};

/** One among them spoils what goes with it: alone, it will be known. */
const spoilt = (batch, code, reason) => {
  if (batch.length === 1) rejected({ id: batch[0].id, code, reason });
  careful = queue.size > 0;
};

// Over HTTP (wire.md §2): where sockets do not get through, and when the page goes.

/** As text, which a browser sends to another origin without asking there first. */
const posted = (batch) => written(batch, { writeKey: settings.key });

const post = async () => {
  posting = true;
  try {
    const batch = first(careful ? 1 : MAX_BATCH, () => true);
    const signal = AbortSignal.timeout?.(PATIENCE);
    const options = { method: "POST", body: posted(batch), credentials: "omit", signal };
    await answered(await fetch(batches, options), batch);
  } catch {
    // Neither way: it is not the sockets.
    deaf = 0;
    overHttp = !sockets;
    again();
  }
  posting = false;
  pump();
};

const answered = async (answer, batch) => {
  const { status, headers } = answer;
  const told = answer.ok ? {} : await answer.json().catch(() => ({}));
  const { message = `status ${status}`, rejected: refused = [] } = told;
  if (answer.ok || refused.length) {
    for (const { messageId: id, code, path = "", reason } of refused)
      rejected({ id, code, path: path.replace(/^\$\.batch\[\d+\]/, "$$"), reason });
    failures = 0;
    for (const one of batch) forget(one.id);
  } else if (status === 401 || status === 403) refusedKey(message);
  else if (status === 400 || status === 413) spoilt(batch, "invalid", message);
  else again(1_000 * headers.get("Retry-After"));
};

/** What is unanswered when the page goes stays stored as well: its ids are taken once. */
const leave = () => {
  while (settings.key && granted && !stopped) {
    const batch = first(MAX_BATCH, (one) => !one.beaconed);
    if (!batch.length || !navigator.sendBeacon(batches, posted(batch))) return;
    for (const one of batch) one.beaconed = true;
  }
};

// Who is here.

const grant = (id) => {
  // What waits in memory was said by the same visitor before there was a lasting id.
  if (!granted) for (const one of queue.values()) one.body = one.body.replaceAll(anonymousId, id);
  granted = true;
  anonymousId = id;
  stored((at) => at.getItem(ID) === id || at.setItem(ID, id));
  queue.forEach(keep);
  adopt();
  wake();
};

const refuse = () => {
  for (const key of [ID, ...keys()]) stored((at) => at.removeItem(key));
  granted = false;
  anonymousId = uuid();
  queue.clear();
  hangUp();
};

const consent = (yes) => {
  if (typeof yes !== "boolean") return report("invalid", "consent is true or false");
  if (yes) grant(stored((at) => at.getItem(ID)) || anonymousId);
  else refuse();
};

/** Another tab heard of a consent or a logout, or had an answer. */
const follow = ({ key, newValue }) => {
  if (key === null || key === ID) {
    const id = stored((at) => at.getItem(ID));
    if (id) grant(id);
    else if (granted) refuse();
  } else if (key.startsWith(MESSAGE) && !newValue) {
    queue.delete(key.slice(MESSAGE.length));
  }
};

// What a page calls.

const plain = (value = {}) => {
  if (Object(value) === value && !Array.isArray(value)) return value;
  throw new TypeError("properties are an object");
};

const named = (value, what) => {
  if (typeof value === "string" && value) return value;
  throw new TypeError(`${what} is a text`);
};

const track = (event, properties) =>
  say("track", { event: named(event, "an event"), properties: plain(properties) });

/** A product may be its id alone, and its id a number, which is text on the wire. */
const product = (value) => {
  const { product_id, ...rest } = Object(value) === value ? value : { product_id: value };
  return { product_id: typeof product_id === "number" ? `${product_id}` : product_id, ...rest };
};
const ofProduct = (event) => (value, more) => track(event, { ...product(value), ...plain(more) });
const ofProducts = (event) => (products, more) =>
  track(event, { ...plain(more), products: [...products].map(product) });
const ofStep = (event) => (step, more) =>
  track(event, { [typeof step === "number" ? "step" : "step_name"]: step, ...plain(more) });
const of = (event) => (properties) => track(event, properties);

const guarded = (calls) => {
  for (const [name, call] of Object.entries(calls))
    calls[name] = typeof call === "function" ? safely(call) : guarded(call);
  return Object.freeze(calls);
};

export const ecrm = guarded({
  init(given) {
    const { key, url, socket, queueSize } = given;
    settings = { ...given, key: "", queueSize: queueSize >= 1 ? queueSize : 1_000 };
    named(key, "the key");
    const base = url ? new URL(`${url}`.replace(/\/*$/, "/"), location.href) : new URL("..", HERE);
    batches = new URL("v1/batch", base).href;
    sockets = socket === false ? null : new URL(socket ?? "v1/events", base);
    if (sockets) sockets.protocol = sockets.protocol.replace("http", "ws");
    overHttp = !sockets;
    stopped = false;
    settings.key = key;
    hangUp();
    if (given.consent !== undefined) consent(given.consent);
    else if (granted) adopt();
    wake();
  },
  consent,
  identify(userId, traits, { userHash } = {}) {
    say("identify", { userId: named(userId, "a userId"), traits: plain(traits), userHash });
  },
  alias(userId, previousId = anonymousId, { userHash } = {}) {
    say("alias", { userId: named(userId, "a userId"), previousId, userHash });
  },
  reset() {
    anonymousId = uuid();
    if (granted) stored((at) => at.setItem(ID, anonymousId));
  },
  anonymousId: () => anonymousId,
  track,
  page(name, properties) {
    const { href, pathname, search } = location;
    const { title, referrer } = document;
    const shown = { title, url: href, path: pathname, search, referrer };
    for (const key in shown) shown[key] = shown[key].slice(0, LINK);
    say("page", { name, properties: { ...shown, ...plain(properties) } });
  },
  searched: (query, more) => track("Products Searched", { query, ...plain(more) }),
  product: { viewed: ofProduct("Product Viewed"), listed: ofProducts("Product List Viewed") },
  cart: {
    add: ofProduct("Product Added"),
    remove: ofProduct("Product Removed"),
    viewed: ofProducts("Cart Viewed"),
    emptied: (cart_id) => track("Cart Emptied", { cart_id }),
  },
  wishlist: {
    add: ofProduct("Product Added to Wishlist"),
    remove: ofProduct("Product Removed from Wishlist"),
  },
  checkout: {
    started: of("Checkout Started"),
    step: ofStep("Checkout Step Viewed"),
    completed: ofStep("Checkout Step Completed"),
    payment: of("Payment Info Entered"),
    coupon: (coupon_name, more) => track("Coupon Entered", { coupon_name, ...plain(more) }),
  },
});
export default ecrm;

safely(() => {
  anonymousId = uuid();
  // Where pages are made on a server there is nothing to listen to.
  if (typeof window === "undefined") return;
  const known = stored((at) => at.getItem(ID));
  if (known) [granted, anonymousId] = [true, known];
  window.ecrm ??= ecrm;
  const on = (name, work) => addEventListener(name, safely(work));
  on("storage", follow);
  on("online", hurry);
  on("pageshow", pump);
  on("visibilitychange", () => document.visibilityState === "hidden" && leave());
  on("pagehide", () => {
    leave();
    // An open socket, too, would keep the page out of the back-forward cache.
    hangUp();
  });
})();
