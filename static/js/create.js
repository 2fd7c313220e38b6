// Ctrl or Cmd with Enter sends the form of a new video, and what was pressed last is not pressed twice. Without it the buttons do all.

const form = document.getElementById("create");

form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit(document.getElementById("create-button"));
});

form.addEventListener("submit", (event) => {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "";
});

// A step back shows the form as it was, to be sent again.
addEventListener("pageshow", () => delete form.dataset.sent);
