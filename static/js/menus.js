// Closes an open menu by a click elsewhere or Escape, and keeps it open while the page behind it changes. Without it the word above it closes it.

const open = () => document.querySelector("[data-menu][open]");

document.addEventListener("click", (event) => {
  const menu = open();
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && open();
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

let kept = null;
document.addEventListener("htmx:before:swap", () => {
  const menu = open();
  kept = menu && [menu.id, menu.contains(document.activeElement) && document.activeElement.id];
});

document.addEventListener("htmx:after:swap", () => {
  const menu = kept && document.getElementById(kept[0]);
  if (!menu) return;
  menu.open = true;
  if (kept[1]) document.getElementById(kept[1])?.focus();
});
