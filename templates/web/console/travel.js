// Sliding through a life: the page of each place, as a link would open it, shown in this one.
const form = document.getElementById("travel");
const slider = document.getElementById("turn");
const lost = document.getElementById("lost");
const branch = document.getElementById("branching");
const alone = location.pathname === form.getAttribute("action");
let wanted = null;
let busy = false;

const place = (page) => {
  const there = page.getElementById("there");
  const held = document.activeElement?.closest("#there [rel]")?.rel;
  document.getElementById("there").replaceWith(there);
  if (wanted === null) slider.value = there.dataset.turn;
  slider.setAttribute("aria-valuetext", there.dataset.told);
  document.getElementById("differs")?.remove();
  if (branch) branch.action = there.dataset.address + "#branch";
  if (alone) history.replaceState(null, "", there.dataset.address);
  if (held) (document.querySelector(`#there a[rel=${held}]`) ?? slider).focus();
};

// One is asked for at a time, and then the newest that was wanted meanwhile.
const show = async (address) => {
  wanted = address;
  if (busy) return;
  busy = true;
  while (wanted !== null) {
    const asked = wanted;
    wanted = null;
    try {
      const answer = await fetch(asked);
      if (answer.status === 401) location.reload();
      if (!answer.ok) { location.assign(asked); break; }
      place(new DOMParser().parseFromString(await answer.text(), "text/html"));
      lost.textContent = "";
    } catch {
      lost.textContent = "The service does not answer.";
    }
  }
  busy = false;
};

const at = (turn) => {
  const about = new URLSearchParams({ id: form.elements.id.value, turn });
  return show(`${form.getAttribute("action")}?${about}`);
};
const step = (by) => {
  const turn = Math.min(Math.max(0, Number(slider.value) + by), Number(slider.max));
  if (turn === Number(slider.value)) return;
  slider.value = turn;
  at(turn);
};

slider.addEventListener("input", () => at(slider.value));
form.addEventListener("submit", (event) => { event.preventDefault(); at(slider.value); });
document.addEventListener("click", (event) => {
  const link = event.target.closest("#there a[rel]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.getAttribute("href"));
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [role=region]");
  if (!alone || typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else return;
  event.preventDefault();
});
