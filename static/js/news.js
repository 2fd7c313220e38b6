// The button of new videos hands the keyboard on to the newest. Without it Tab begins at the top of the page again.

let isPressed = false;

document.addEventListener("click", (event) => {
  if (event.target.closest("#news a")) isPressed = true;
});

document.addEventListener("htmx:after:swap", () => {
  if (!isPressed || document.querySelector("#news a")) return;
  isPressed = false;
  document.querySelector(".clip-link")?.focus();
});
