// Shows of a long list of choices those that have the typed text in them. Without it the whole list is scrolled.

for (const list of document.querySelectorAll("[data-narrows]")) {
  const input = list.querySelector("input[type=search]");
  const choices = [...list.querySelectorAll("li")];
  if (choices.length < 9) continue;
  input.hidden = false;
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    for (const choice of choices) choice.hidden = !choice.textContent.toLowerCase().includes(text);
  });
  // The form is not sent by looking for something.
  input.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
}
