// Looks for an answer to what one asked for when one comes back to the page. Without it the page tells after a reload.

function look() {
  document.getElementById("asks")?.dispatchEvent(new CustomEvent("asks:look"));
}

addEventListener("pageshow", (event) => event.persisted && look());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
