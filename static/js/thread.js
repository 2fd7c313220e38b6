// Keeps the newest of a growing reply in view unless the reader scrolled up; a button leads back. Without it the page opens at its start.

const NEAR_PX = 48;
const thread = document.getElementById("thread");
const jump = document.querySelector("[data-jump]");
let isAtEnd = true;

function toEnd() {
  thread.scrollTop = thread.scrollHeight;
}

function show() {
  isAtEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR_PX;
  jump.hidden = isAtEnd || !thread.querySelector("[data-follow]");
}

if (thread && jump) {
  toEnd();
  thread.addEventListener("scroll", show, { passive: true });
  jump.addEventListener("click", () => {
    toEnd();
    show();
  });
  for (const name of ["reply:grown", "reply:finished"]) {
    thread.addEventListener(name, () => {
      if (isAtEnd) toEnd();
      else show();
    });
  }
  document.addEventListener("htmx:after:swap", (event) => {
    // One's own new prompt is always brought into view.
    if (event.target.id === "thread" || event.detail?.ctx?.target === thread) {
      isAtEnd = true;
      toEnd();
    }
  });
}
