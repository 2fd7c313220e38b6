// Changes the colours at once when the switch is used, while htmx stores the choice. Without it the form reloads the page.

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-scheme-switch]") || !event.submitter) return;
  document.documentElement.dataset.scheme = event.submitter.value;
  for (const choice of event.target.querySelectorAll("button")) {
    choice.setAttribute("aria-pressed", String(choice === event.submitter));
  }
});
