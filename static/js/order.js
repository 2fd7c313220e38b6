// Lets providers be dragged by their handle to the place at which they are tried, or moved by arrow keys. Without it the arrows of each move it by one.

const MOVED = "emma18-moved"; // whose arrow has the focus again once the page is there in the new order

let dragged = null;

for (const hint of document.querySelectorAll(".drag-hint")) hint.hidden = false;

for (const card of document.querySelectorAll(".provider[data-place]")) {
  const grip = card.querySelector(".provider-grip");
  grip.addEventListener("pointerdown", () => (card.draggable = true));
  grip.addEventListener("pointerup", () => (card.draggable = false));
  card.addEventListener("dragstart", (event) => {
    dragged = card;
    card.dataset.dragged = "";
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.id);
  });
  card.addEventListener("dragend", () => {
    card.draggable = false;
    delete card.dataset.dragged;
    dragged = null;
  });
  card.addEventListener("dragenter", () => dragged && mark(card));
  card.addEventListener("dragover", (event) => dragged && event.preventDefault());
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(null);
    if (dragged && dragged !== card) moveTo(dragged, card.dataset.place);
  });
}

document.addEventListener("dragend", () => mark(null));

for (const form of document.querySelectorAll(".provider-move")) {
  const [earlier, later] = form.querySelectorAll("button");
  form.addEventListener("keydown", (event) => {
    const arrow = { ArrowUp: earlier, ArrowDown: later }[event.key];
    if (!arrow) return;
    event.preventDefault(); // the page stays where it is
    arrow.click();
  });
  form.addEventListener("submit", (event) => {
    const at = event.submitter === earlier ? 0 : 1;
    sessionStorage.setItem(MOVED, JSON.stringify([form.closest(".provider").id, at]));
  });
}

const moved = JSON.parse(sessionStorage.getItem(MOVED) ?? "null");
if (moved) {
  sessionStorage.removeItem(MOVED);
  const arrows = document.getElementById(moved[0])?.querySelectorAll(".provider-move button") ?? [];
  const arrow = arrows[moved[1]]?.disabled ? arrows[1 - moved[1]] : arrows[moved[1]];
  arrow?.focus();
}

function mark(target) {
  for (const card of document.querySelectorAll(".provider[data-target]")) delete card.dataset.target;
  if (target && target !== dragged) target.dataset.target = "";
}

function moveTo(card, place) {
  const form = card.querySelector(".provider-move");
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name: "place", value: place });
  form.append(input);
  form.submit();
}
