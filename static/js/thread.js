// Keeps the newest of a growing reply in view unless the reader scrolled up; a button leads back. Without it the page opens at its start.

const NEAR_PX = 48;
const thread = document.getElementById("thread");
const jump = document.querySelector("[data-jump]");
let isAtEnd = true;
let lastTop = 0;

function toEnd() {
  thread.scrollTop = thread.scrollHeight;
  lastTop = thread.scrollTop;
}

function follow() {
  // The reader may have scrolled up a moment ago, and the event that says so may still be on its way.
  if (isAtEnd && thread.scrollTop >= lastTop - 1) toEnd();
  else show();
}

function show() {
  isAtEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR_PX;
  lastTop = thread.scrollTop;
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
    thread.addEventListener(name, follow);
  }
  document.addEventListener("htmx:after:swap", (event) => {
    // One's own new prompt is always brought into view.
    if (event.target.id === "thread" || event.detail?.ctx?.target === thread) {
      isAtEnd = true;
      toEnd();
    }
  });
}
