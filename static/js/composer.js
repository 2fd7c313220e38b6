// The message field: Enter sends, it empties when the message was taken, Escape stops the reply, / goes to it. Without it Tab and the button do.

const composer = document.getElementById("composer");
const prompt = composer?.querySelector("textarea");
const error = document.getElementById("composer-error");

function isWriting() {
  return document.querySelector("[data-follow]") !== null;
}

function take(event) {
  // Enter breaks the line on phones, where there is no Shift at hand, and ends a composed character elsewhere.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  if (prompt.value.trim()) composer.requestSubmit();
}

function onKey(event) {
  if (document.querySelector("dialog[open], [popover]:popover-open")) return;
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && isWriting()) {
    document.querySelector("[data-stop] button")?.click();
  } else if (event.key === "/" && !isTyping && prompt) {
    event.preventDefault();
    prompt.focus();
  }
}

// What was not taken is there again after a reload or signing in, until it is sent or deleted; for nobody else.
const kept = `message of ${composer?.dataset.of} to ${composer?.getAttribute("action")}`;

function keep(text) {
  if (text) sessionStorage.setItem(kept, text);
  else sessionStorage.removeItem(kept);
}

if (composer) {
  prompt.value ||= sessionStorage.getItem(kept) ?? "";
  if (matchMedia("(pointer: fine)").matches && !location.hash) prompt.focus({ preventScroll: true });
  prompt.addEventListener("keydown", take);
  prompt.addEventListener("input", () => {
    error.replaceChildren();
    if (!prompt.value) keep("");
  });
  composer.addEventListener("htmx:after:request", (event) => {
    const { ok, headers } = event.detail.ctx.response.raw;
    const isTaken = ok && !headers.get("hx-redirect")?.startsWith("/account/login/");
    keep(isTaken ? "" : prompt.value);
    if (!isTaken) return;
    prompt.value = "";
    error.replaceChildren();
  });
  composer.addEventListener("htmx:error", () => {
    keep(prompt.value);
    error.textContent = "The server cannot be reached. Your message is still here; send it again in a moment.";
  });
}
document.addEventListener("reply:finished", () => {
  error?.replaceChildren();
  // The Stop button that had the focus is gone with the live turn.
  if (document.activeElement === document.body) prompt?.focus({ preventScroll: true });
});
document.addEventListener("keydown", onKey);
