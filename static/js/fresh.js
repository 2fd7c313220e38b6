// On the page that shows a new key once: makes a reload ask for the list of keys again, and notes when the key was copied. Without it the browser asks whether to send the form twice.

const fresh = document.querySelector("[data-list]");
const step = document.querySelector("[data-copied-step]");

if (fresh) history.replaceState(null, "", fresh.dataset.list);

if (step) {
  step.hidden = false;
  // A sample has the key in it, so copying one will do.
  document.querySelector(".fresh-key").addEventListener("copied", () => {
    if (step.dataset.state) return;
    step.dataset.state = "done";
    const time = step.querySelector("time");
    const now = new Date();
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString("en-GB");
  });
}
