/**
 * The demo shop's pages: says through the SDK what the server names, and shows what becomes of it.
 *
 * - `data-says` of the shop holds calls of the SDK, `[["cart.add", {…}]]`; each is made once.
 * - Links and forms of the shop are fetched and put in place, so that the panel stays as it is.
 *   Without scripts they are plain links and forms.
 * - What the service answers is seen where it passes: at the socket, at fetch, at the beacon.
 * - Whatever a person typed is put in place as text here, and escaped by the server there.
 */
import { ecrm } from "/static/ecrm.js";

const at = (id) => document.getElementById(id);
const { key, socket, zone } = document.body.dataset;
const ANSWER = "demo:agreed";
const LOG = "demo:events";
const LOGGED = 60;

const remembered = (store, name) => {
  try {
    return store.getItem(name);
  } catch {
    return null; // Storage may be forbidden: then a page remembers nothing of the one before.
  }
};
const remember = (store, name, value) => {
  try {
    store.setItem(name, value);
  } catch {
    // As above.
  }
};

// What goes over the wire, as it passes.

let offset = 0; // from the browser's clock to the service's
let events = JSON.parse(remembered(sessionStorage, LOG) ?? "[]");
let told = [];

const logged = () => {
  events = events.slice(-LOGGED);
  remember(sessionStorage, LOG, JSON.stringify(events));
  drawEvents();
};

const sent = (text) => {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return [];
  }
  const messages = frame.batch ?? (frame.messageId ? [frame] : []);
  for (const { messageId: id, event, type, properties = {} } of messages) {
    const name = event ?? { identify: "Identified", page: "Page Viewed" }[type] ?? type;
    const about = properties.product_id ?? properties.step_name ?? properties.coupon_name ?? "";
    const known = events.find((one) => one.id === id);
    if (!known) events.push({ id, name, about, at: Date.now() + offset, state: "sent", reason: "" });
  }
  logged();
  return messages.map((one) => one.messageId);
};

const became = (ids, state, reason = "") => {
  for (const one of events) if (ids.includes(one.id)) Object.assign(one, { state, reason });
  logged();
  soon();
};

const heard = (frame) => {
  if (frame.type === "ack") became(frame.ids, "acked");
  if (frame.type === "reject") became([frame.id], "rejected", `${frame.code}: ${frame.reason}`);
};

class Tapped extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => heard(JSON.parse(data)));
  }
  send(data) {
    super.send(data);
    sent(data);
  }
}
window.WebSocket = Tapped;

const plainFetch = window.fetch.bind(window);
window.fetch = async (where, options) => {
  if (!`${where}`.endsWith("/v1/batch")) return plainFetch(where, options);
  const ids = sent(options.body);
  const answer = await plainFetch(where, options);
  if (answer.ok) became(ids, "acked");
  return answer;
};
const beacon = navigator.sendBeacon.bind(navigator);
navigator.sendBeacon = (where, body) => {
  if (typeof body === "string") sent(body);
  return beacon(where, body);
};

const drawEvents = () => {
  const list = at("events");
  const words = list.dataset;
  const all = [...events.map((one) => ({ ...one, side: "browser" })), ...told];
  all.reverse().sort((one, other) => other.at - one.at);
  const rows = all.slice(0, 40).map(({ name, about, state, reason, side, at: when }) => {
    const row = document.createElement("li");
    row.className = state;
    const part = (kind, text) => {
      const found = document.createElement("span");
      found.className = kind;
      found.textContent = text;
      row.append(found);
    };
    part("state", words[state]);
    part("subject", name);
    const time = new Date(when).toLocaleTimeString(document.documentElement.lang, { timeZone: zone });
    part("when", [about, words[side], time].filter(Boolean).join(" · "));
    if (reason) part("reason", reason);
    return row;
  });
  if (!rows.length) {
    const none = document.createElement("li");
    none.className = "none";
    none.textContent = words.none;
    rows.push(none);
  }
  list.replaceChildren(...rows);
};

// The SDK.

let agreed = remembered(localStorage, ANSWER);
let held = 0;

const says = () => {
  const calls = JSON.parse(at("shop").dataset.says);
  at("shop").dataset.says = "[]";
  for (const [name, ...values] of calls) {
    const call = name.split(".").reduce((of, part) => of[part], ecrm);
    call(...values);
    if (name === "reset") events = [];
  }
  held = agreed === "yes" ? 0 : held + calls.length;
  drawConsent();
};

const drawConsent = () => {
  at("agree").hidden = agreed !== null;
  at("held").hidden = agreed === "yes";
  at("held-count").textContent = held;
};

const answer = (yes) => {
  agreed = yes ? "yes" : "no";
  remember(localStorage, ANSWER, agreed);
  ecrm.consent(yes);
  held = 0;
  drawConsent();
  soon();
};

// The shop: pages are fetched and put in place.

const place = async (response, push) => {
  const text = await response.text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const shop = page.getElementById("shop");
  if (!shop) return location.assign(response.url);
  if (push) history.pushState(null, "", response.url);
  document.title = page.title;
  at("shop").replaceWith(document.adoptNode(shop));
  const heading = shop.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
  says();
  soon();
};

let walking = 0;
const go = async (where, options, push = true) => {
  const turn = ++walking;
  at("shop").setAttribute("aria-busy", "true");
  try {
    const response = await plainFetch(where, options);
    if (turn === walking) await place(response, push);
  } catch {
    if (options) status("wrong", at("says").dataset.lost);
    else location.assign(where);
  }
  at("shop").removeAttribute("aria-busy");
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const own = link && link.origin === location.origin && link.pathname.startsWith("/demo/");
  if (!own || link.hash || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  drawer(false);
  go(link.href);
});

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (form.elements.visitor) form.elements.visitor.value = ecrm.anonymousId();
  if ("whole" in form.dataset) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form));
  if (submitter?.name) body.set(submitter.name, submitter.value);
  go(submitter?.getAttribute("formaction") ?? form.action, { method: "POST", body }).finally(() =>
    form.removeAttribute("aria-busy"),
  );
});

addEventListener("popstate", () => go(location.href, undefined, false));

// The panel.

let shown = "";
let waiting = 0;
let asked = 0;
let drawn = 0;

const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 150);
};

const refresh = async () => {
  clearTimeout(waiting);
  const turn = ++asked;
  let fresh = false;
  try {
    const visitor = encodeURIComponent(ecrm.anonymousId());
    const response = await plainFetch(`/demo/panel?visitor=${visitor}`);
    if (response.ok) {
      const text = await response.text();
      // Two may be under way: the older answer never takes the newer one's place.
      if (turn > drawn) draw(text);
      drawn = Math.max(drawn, turn);
      fresh = true;
    } else status("wrong", at("says").dataset[response.status === 403 ? "over" : "lost"]);
  } catch {
    status("wrong", at("says").dataset.lost);
  }
  clearTimeout(waiting);
  waiting = setTimeout(refresh, pushing ? 400 : 2_000);
  return fresh;
};

const draw = (text) => {
  const view = new DOMParser().parseFromString(text, "text/html").body;
  const { now, hands } = view.querySelector("[data-now]").dataset;
  offset = now - Date.now();
  at("hands").textContent = hands;
  told = [...view.querySelectorAll("[data-told] li")].map(({ dataset: one }) => ({
    name: one.name,
    at: Number(one.at),
    state: ["taken", "repeated"].includes(one.outcome) ? "acked" : "rejected",
    reason: one.reason,
    side: "backend",
  }));
  drawEvents();
  view.querySelector("[data-now]").remove();
  if (view.innerHTML === shown) return;
  shown = view.innerHTML;
  const focused = document.activeElement?.dataset?.mail;
  at("view").replaceChildren(...view.childNodes);
  if (focused) at("view").querySelector(`[data-mail="${CSS.escape(focused)}"]`)?.focus();
};

// The clock.

let pushing = false;

const status = (kind, text) => {
  const line = at("says");
  line.className = `says ${kind}`;
  line.textContent = kind === "wrong" ? `${line.dataset.wrong} ${text}` : text;
};

const push = async (advance) => {
  if (pushing) return;
  pushing = true;
  const buttons = document.querySelectorAll("[data-advance]");
  for (const one of buttons) one.setAttribute("aria-disabled", "true");
  at("pushing").hidden = false;
  const words = at("says").dataset;
  status("busy", words.busy);
  soon();
  try {
    const body = new URLSearchParams({ advance });
    const response = await plainFetch("/demo/clock", { method: "POST", body });
    // It is done when the panel shows what came of it.
    if (response.ok) (await refresh()) && status("done", words.done);
    else status("wrong", words[{ 409: "conflict", 504: "late", 403: "over" }[response.status] ?? "lost"]);
  } catch {
    status("wrong", words.lost);
  }
  pushing = false;
  at("pushing").hidden = true;
  for (const one of buttons) one.removeAttribute("aria-disabled");
};

// A mail.

const TABS = ["html", "text", "headers"];
const tab = (name) => {
  for (const one of TABS) {
    at(`tab-${one}`).setAttribute("aria-selected", `${one === name}`);
    at(`tab-${one}`).tabIndex = one === name ? 0 : -1;
    at(`part-${one}`).hidden = one !== name;
  }
};

const open = async ({ mail, subject }) => {
  at("letter-subject").textContent = subject;
  tab("html");
  const frame = document.createElement("iframe");
  frame.title = subject;
  frame.setAttribute("sandbox", "allow-top-navigation-by-user-activation");
  frame.src = `/demo/mails/${encodeURIComponent(mail)}`;
  at("part-html").replaceChildren(frame);
  at("letter").showModal();
  const response = await plainFetch(`${frame.src}/source`);
  const source = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of ["text", "headers"]) {
    const found = source.querySelector(`[data-part="${part}"]`);
    at(`part-${part}`).replaceChildren(...(found ? [found] : []));
  }
};

const drawer = (wanted) => {
  const button = at("drawer");
  document.body.classList.toggle("behind", wanted);
  button.setAttribute("aria-expanded", `${wanted}`);
  button.textContent = wanted ? button.dataset.close : button.dataset.open;
  if (wanted) at("machine").focus();
};

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const { advance, agree, mail } = button.dataset;
  if (advance) push(advance);
  if (agree) answer(agree === "yes");
  if (mail) open(button.dataset);
  if (button.id === "letter-close") at("letter").close();
  if (button.id === "drawer") drawer(!document.body.classList.contains("behind"));
  if (button.role === "tab") tab(button.id.slice(4));
});
at("letter").addEventListener("close", () => at("part-html").replaceChildren());
document.querySelector("[role=tablist]").addEventListener("keydown", ({ key: pressed, target }) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[pressed];
  if (!step) return;
  const next = TABS.at((TABS.indexOf(target.id.slice(4)) + step) % TABS.length);
  tab(next);
  at(`tab-${next}`).focus();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") clearTimeout(waiting);
  else soon();
});

ecrm.init({
  key,
  socket: socket ? `${socket}/v1/events` : false,
  url: "/",
  consent: agreed === null ? undefined : agreed === "yes",
  onError: ({ code, reason, id }) => id && became([id], "rejected", `${code}: ${reason}`),
});
says();
drawEvents();
refresh();
