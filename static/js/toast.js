// Lets a toast be dismissed, takes good news away by itself, and says when a request failed. Without it toasts stay until the next page.

const toasts = document.getElementById("toasts");
const template = document.getElementById("toast-template");

function enliven(toast) {
  const dismiss = toast.querySelector("[data-dismiss]");
  dismiss.hidden = false;
  dismiss.addEventListener("click", () => toast.remove());
  if (toast.dataset.tone === "good") setTimeout(() => toast.remove(), 6000);
}

function complain(sentence) {
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.querySelector("p").textContent = sentence;
  toasts.append(toast);
  enliven(toast);
}

toasts.querySelectorAll(".toast").forEach(enliven);

// Answers that htmx does not swap in would otherwise pass unseen.
// The composer shows its own, beside what was typed; a poll comes again, and nobody asked for it.
const isQuiet = (event) => ["composer", "live"].includes(event.target.id);

document.addEventListener("htmx:response:error", (event) => {
  if (isQuiet(event)) return;
  const { status, headers } = event.detail.ctx.response;
  const isSentence = headers.get("content-type")?.startsWith("text/plain");
  const id = headers.get("x-request-id");
  const named = id && status >= 500 ? ` Request ${id}.` : "";
  if (isSentence) complain(`${event.detail.ctx.text}${named}`);
  else if (status >= 500) complain(`The server could not do that. Try again in a moment.${named}`);
  else if (status === 404) complain(`That is no longer there. Reload the page.${named}`);
  else if (status === 413) complain(`That is too large to send.${named}`);
  else if (status === 400 || status === 405) complain(`The server did not understand that. Reload the page and try again.${named}`);
});

document.addEventListener("htmx:error", (event) => {
  if (isQuiet(event)) return;
  complain("The server could not be reached. Check the connection and try again.");
});
