// Copies the text of the element a button names with data-copy, and says so on the button. Without it the buttons are not shown and the text can be selected.

const SAID_FOR_MS = 1600;

function source(button) {
  // Inside a code block the text is the block's own; elsewhere it is named by id.
  return button.dataset.copy ? document.getElementById(button.dataset.copy) : button.closest(".code")?.querySelector("pre");
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const element = source(button);
  if (!element) return;
  try {
    await navigator.clipboard.writeText(element.value ?? element.textContent);
  } catch {
    // Plain http on a local network has no clipboard: leave the text selected for Ctrl C.
    select(element);
    return;
  }
  button.dataset.copied = "";
  button.dispatchEvent(new CustomEvent("copied", { bubbles: true }));
  setTimeout(() => delete button.dataset.copied, SAID_FOR_MS);
}

// One listener on the document: replies bring new buttons while they grow.
document.documentElement.dataset.canCopy = "";
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
