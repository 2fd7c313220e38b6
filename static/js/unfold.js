// Opens a request's receipt below its row, and closes it again. Without it the arrow leads to the receipt's page.

function unfoldedBelow(arrow) {
  const next = arrow.closest("tr").nextElementSibling;
  return next?.classList.contains("unfolded") ? next : null;
}

// Before htmx sees the click: what has been fetched is not fetched again.
document.addEventListener(
  "click",
  (event) => {
    const arrow = event.target.closest("[data-unfold]");
    if (!arrow || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = unfoldedBelow(arrow);
    if (row) {
      event.preventDefault();
      event.stopPropagation();
      row.hidden = !row.hidden;
      arrow.setAttribute("aria-expanded", String(!row.hidden));
    }
  },
  true,
);

document.addEventListener("htmx:after:swap", () => {
  for (const arrow of document.querySelectorAll("[data-unfold]")) {
    const row = unfoldedBelow(arrow);
    arrow.setAttribute("aria-expanded", String(Boolean(row) && !row.hidden));
  }
});
