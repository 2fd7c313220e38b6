// Shows and hides the password beside the eye. Without it the eye is not shown and the password stays hidden.

for (const eye of document.querySelectorAll("[data-reveal]")) {
  const input = document.getElementById(eye.dataset.reveal);
  eye.hidden = false;
  eye.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    eye.setAttribute("aria-pressed", String(shown));
  });
}
