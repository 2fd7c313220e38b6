// Takes files that are pasted anywhere into a form, or dropped beside its fields for them, each to the field of its kind. Without it files are chosen by button.

function fieldFor(file) {
  const kind = file.type.split("/")[0];
  return [...document.querySelectorAll("[data-upload-field]")].find((field) => field.dataset.kind === kind);
}

// What a file is for is not seen while something else is chosen.
function show(field) {
  const mode = { image: "i2v", video: "v2v" }[field.dataset.kind];
  if (!field.checkVisibility() && mode) document.querySelector(`[name=mode][value=${mode}]`)?.click();
}

function hand(files) {
  for (const file of files) {
    const field = fieldFor(file);
    const input = field?.querySelector("input[type=file]");
    if (!input || input.disabled) continue;
    show(field);
    const carried = new DataTransfer();
    carried.items.add(file);
    input.files = carried.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// Office programs send a picture along with the words that are meant.
document.addEventListener("paste", (event) => {
  if (event.clipboardData.types.includes("text/plain")) return;
  const files = [...event.clipboardData.files].filter(fieldFor);
  if (!files.length) return;
  event.preventDefault();
  hand(files);
});

const isForUs = (event) =>
  event.target.closest("[data-upload-box]") && !event.target.closest("[data-upload-field]") && event.dataTransfer.types.includes("Files");

document.addEventListener("dragover", (event) => {
  if (isForUs(event)) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  if (!isForUs(event)) return;
  event.preventDefault();
  hand(event.dataTransfer.files);
});
