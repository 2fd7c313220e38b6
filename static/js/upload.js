// Sends reference files while a form is being filled in, with progress, and puts their addresses into the form. What failed can be sent again. Without it references are given by their addresses.

const MEGABYTE = 1024 * 1024;

function row(field) {
  return field.querySelector("template").content.firstElementChild.cloneNode(true);
}

function shownIn(row, file) {
  row.querySelector("[data-upload-name]").textContent = file.name;
  row.querySelector("[data-upload-cancel]").setAttribute("aria-label", `Leave out ${file.name}`);
}

function fail(row, sentence, { mayRetry }) {
  row.dataset.state = "failed";
  row.querySelector("[data-upload-sentence]").textContent = sentence;
  row.querySelector("[data-upload-retry]").hidden = !mayRetry;
}

function changed(field) {
  const kept = field.querySelectorAll("[data-upload-address]").length;
  field.querySelector("input[type=file]").disabled = kept >= Number(field.dataset.most);
  field.dispatchEvent(new CustomEvent("uploads-changed", { bubbles: true }));
}

function finish(field, row, html) {
  const kept = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  kept.querySelector("[data-upload-address]").name = field.dataset.name;
  const role = kept.querySelector("select[name=role]");
  const form = field.closest("form");
  // The first picture is where a clip begins and the second where it ends; any other, or one beside a clip, is
  // something to go by. They count as they were chosen, whichever has arrived first.
  if (role && form) {
    const before = [...field.querySelectorAll(".upload")].indexOf(row);
    const isFrame = before < 2 && new FormData(form).get("mode") === "i2v";
    role.selectedIndex = isFrame ? before : role.options.length - 1;
  }
  row.replaceWith(kept);
  changed(field);
}

function send(field, row, file) {
  row.dataset.state = "sending";
  const progress = row.querySelector("progress");
  progress.value = 0;
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress.value = event.loaded / event.total;
    // All of it is there; now it is looked at, which takes a moment of its own.
    if (event.loaded === event.total) row.dataset.state = "checking";
  });
  request.addEventListener("load", () => {
    if (request.status === 200) {
      finish(field, row, request.responseText);
    } else if (request.status === 422) {
      const refusal = new DOMParser().parseFromString(request.responseText, "text/html").body.textContent.trim();
      fail(row, refusal, { mayRetry: false });
    } else {
      fail(row, sentence(request), { mayRetry: true });
    }
  });
  request.addEventListener("error", () => fail(row, "The connection broke. Send it again.", { mayRetry: true }));
  row.querySelector("[data-upload-cancel]").onclick = () => {
    request.abort();
    row.remove();
  };
  row.querySelector("[data-upload-retry]").onclick = () => send(field, row, file);
  request.open("POST", `${field.dataset.action}?kind=${field.dataset.kind}&name=${encodeURIComponent(file.name)}`);
  request.send(file);
}

function sentence(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return "The file could not be sent. Try again.";
  }
}

function take(field, files) {
  const list = field.querySelector("[data-upload-list]");
  for (const file of files) {
    const fresh = row(field);
    shownIn(fresh, file);
    list.append(fresh);
    if (file.size > Number(field.dataset.mostMb) * MEGABYTE) {
      fail(fresh, `The file is larger than ${field.dataset.mostMb} MB.`, { mayRetry: false });
      fresh.querySelector("[data-upload-cancel]").onclick = () => fresh.remove();
    } else {
      send(field, fresh, file);
    }
  }
}

document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-upload-field]");
  if (!field || event.target.type !== "file") return;
  take(field, event.target.files);
  event.target.value = ""; // the same file may be chosen again
});

document.addEventListener("click", (event) => {
  const kept = event.target.closest("[data-upload-drop]")?.closest("[data-upload-kept]");
  if (!kept) return;
  const field = kept.closest("[data-upload-field]");
  kept.remove();
  changed(field);
});

document.addEventListener("dragover", (event) => {
  if (event.target.closest("[data-upload-field]")) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const field = event.target.closest("[data-upload-field]");
  if (!field) return;
  event.preventDefault();
  take(field, event.dataTransfer.files);
});

for (const field of document.querySelectorAll("[data-upload-field]")) field.hidden = false;
