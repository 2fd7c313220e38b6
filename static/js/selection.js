// Counts what is selected, selects all or a range, and keeps it while cards change. Without it boxes are ticked one by one.

const boxes = () => [...document.querySelectorAll(".clip-pick")];
const picked = new Set();
let last = null;

function tell() {
  const bar = document.getElementById("selection");
  if (!bar) return;
  const count = boxes().filter((box) => box.checked).length;
  bar.querySelector("[data-selected]").textContent = `${count} selected`;
  bar.querySelector("[data-select-all]").hidden = count === boxes().length;
}

function pick(box, isPicked) {
  box.checked = isPicked;
  if (isPicked) picked.add(box.value);
  else picked.delete(box.value);
}

function none() {
  for (const box of boxes()) pick(box, false);
  picked.clear();
  tell();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest(".clip-pick");
  if (box) {
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    const range = event.shiftKey && from >= 0 ? all.slice(from, to + 1) : [box];
    for (const each of range) pick(each, box.checked);
    last = box;
    tell();
  } else if (event.target.closest("[data-select-all]")) {
    for (const each of boxes()) pick(each, true);
    tell();
  } else if (event.target.closest("[data-select-none]")) {
    event.preventDefault();
    none();
  }
});

// The return key does what the button beside the field does.
document.addEventListener("keydown", (event) => {
  const field = event.key === "Enter" && event.target.closest("[data-enters]");
  if (!field) return;
  event.preventDefault();
  document.getElementById(field.dataset.enters).click();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && picked.size && !document.querySelector("[data-menu][open]")) none();
});

document.addEventListener("htmx:after:swap", () => {
  for (const box of boxes()) box.checked = picked.has(box.value);
  tell();
});

for (const box of boxes()) pick(box, box.checked);
tell();
