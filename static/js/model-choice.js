// The composer's model: what is typed is searched on the server, arrows and Enter choose, Escape leaves it as it was. Without it the plain list does.

const WAIT_MS = 120;

for (const choice of document.querySelectorAll("[data-model-choice]")) {
  const select = choice.querySelector("select");
  const input = choice.querySelector("[role=combobox]");
  const list = choice.querySelector("[role=listbox]");
  const count = choice.querySelector("[data-count]");
  let asking, timer;

  const chosen = () => select.selectedOptions[0]?.textContent ?? "";
  const options = () => [...list.querySelectorAll("[data-value]:not([aria-disabled])")];
  const current = () => list.querySelector("[aria-selected=true]");

  function mark(option) {
    current()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function close() {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = chosen();
  }

  async function look(text) {
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(`${choice.dataset.url}?q=${encodeURIComponent(text)}`, { signal: asking.signal });
      if (answer.redirected || !answer.ok) throw new Error("no list");
      list.innerHTML = await answer.text();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      list.textContent = "The list of models cannot be read. Load the page again.";
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    const found = options();
    count.textContent = `${found.length} to choose from`;
    mark(found.find((option) => option.dataset.value === select.value) ?? found[0]);
  }

  function take(option) {
    const { value, name } = option.dataset;
    const known = [...select.options].find((each) => each.value === value);
    if (!known) select.add(new Option(name, value));
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    close();
  }

  function step(by) {
    const found = options();
    const place = found.indexOf(current());
    mark(found[Math.min(Math.max(place + by, 0), found.length - 1)]);
  }

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => list.hidden && look(""));
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => look(input.value), WAIT_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) look("");
      else step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault(); // never sends the message
      if (current()) take(current());
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation(); // nor stops the reply
      close();
    }
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus, and so the list
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-value]:not([aria-disabled])");
    if (option) take(option);
  });

  select.hidden = true;
  input.hidden = false;
  input.value = chosen();
}
