// Takes EMMA18's address out of the connect form when another kind of provider is chosen, and puts it back. Without it the server refuses that mix.

const EXAMPLE = "https://api.openai.com/v1";
const form = document.getElementById("connect-form");

function suit(kind) {
  const { base_url: address } = form.elements;
  const standard = form.dataset.defaultAddress;
  const isOurs = kind === "emma18";
  if (isOurs && !address.value.trim()) address.value = standard;
  else if (!isOurs && address.value.trim() === standard) address.value = "";
  address.placeholder = isOurs ? "" : EXAMPLE;
}

form?.addEventListener("change", (event) => {
  if (event.target.name === "kind") suit(event.target.value);
});
