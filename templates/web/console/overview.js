// The overview, once a second: the same numbers as the page came with, while somebody looks.
const figures = [...document.querySelectorAll("[data-figure]")];
const turns = document.getElementById("turns");
const line = document.getElementById("line");
const most = document.getElementById("most");
const lost = document.getElementById("lost");
const rates = [];
let last = { turns: Number(turns.dataset.turns), at: performance.now() };

const draw = () => {
  const top = Math.max(1, ...rates);
  most.textContent = Math.round(Math.max(...rates));
  turns.textContent = Math.round(rates.at(-1));
  const from = 60 - rates.length;
  line.setAttribute("points", rates.map((rate, at) => `${from + at},${19 - (rate / top) * 18}`).join(" "));
};

const show = (status) => {
  for (const one of figures) one.textContent = status[one.dataset.figure];
  for (const one of document.querySelectorAll("[data-count]")) {
    one.textContent = status.queue[one.dataset.count] ?? status.tiers[one.dataset.count] ?? 0;
  }
  const at = performance.now();
  rates.push(Math.max(0, (1000 * (status.turns - last.turns)) / (at - last.at)));
  if (rates.length > 60) rates.shift();
  last = { turns: status.turns, at };
  draw();
};

const look = async () => {
  if (!document.hidden) {
    try {
      const answer = await fetch("/console/status.json", { headers: { "X-Ecrm-Refresh": "1" } });
      if (answer.status === 401) return location.reload();
      show(await answer.json());
      lost.textContent = "";
    } catch {
      lost.textContent = "The service does not answer.";
    }
  }
  setTimeout(look, 1000);
};
look();
