// Puts an amount that is picked into the field beside it, and says what it is good for. Without it a pick loads the page with that amount.

for (const picks of document.querySelectorAll("[data-picks]")) {
  const input = document.getElementById(picks.dataset.picks);
  const says = picks.querySelector("[data-says]");
  const choices = [...picks.querySelectorAll("[data-pick]")];

  const show = () => {
    const chosen = choices.find((choice) => Number(choice.dataset.pick) === Number(input.value));
    for (const choice of choices) choice.toggleAttribute("data-chosen", choice === chosen);
    says.textContent = chosen?.title ?? "";
  };

  picks.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-pick]");
    if (!choice) return;
    event.preventDefault();
    input.value = choice.dataset.pick;
    show();
    input.focus();
  });
  input.addEventListener("input", show);
  show();
}
