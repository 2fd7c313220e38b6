// Closes an open menu by a click elsewhere or Escape, keeps it open while the page behind it changes, and in the window. Without it the word above it closes it.

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

// One that would reach beyond the right edge ends where its word ends.
const place = (menu) => {
  menu.removeAttribute("data-end");
  const { right } = menu.querySelector(".menu").getBoundingClientRect();
  menu.toggleAttribute("data-end", right > document.documentElement.clientWidth);
};

const placeOpened = (event) => {
  if (event.target.open && event.target.matches("[data-menu]")) place(event.target);
};
document.addEventListener("toggle", placeOpened, { capture: true });

let kept = null;
document.addEventListener("htmx:before:swap", () => {
  const menu = open();
  kept = menu && [menu.id, menu.contains(document.activeElement) && document.activeElement.id];
});

document.addEventListener("htmx:after:swap", () => {
  const menu = kept && document.getElementById(kept[0]);
  if (!menu) return;
  menu.open = true;
  place(menu);
  if (kept[1]) document.getElementById(kept[1])?.focus();
});
