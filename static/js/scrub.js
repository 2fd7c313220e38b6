// Leafs through a clip under the pointer, or with the arrow keys on its link. Without it a card shows one picture.

const A_ROW = 5;

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// How far across the frame, from 0 to 1.
function show(frame, part) {
  const { sprite, tiles, ms } = frame.dataset;
  const count = Number(tiles);
  if (!count) return;
  let sheet = frame.querySelector(".clip-sprite");
  if (!sheet) {
    sheet = document.createElement("span");
    sheet.className = "clip-sprite";
    sheet.style.backgroundImage = `url("${sprite}")`;
    frame.querySelector(".clip-link").before(sheet);
  }
  const across = Math.min(count, A_ROW);
  const down = Math.ceil(count / A_ROW);
  const tile = Math.min(count - 1, Math.floor(part * count));
  const along = (place, of) => (of > 1 ? (100 * place) / (of - 1) : 0);
  sheet.style.backgroundSize = `${100 * across}% ${100 * down}%`;
  sheet.style.backgroundPosition = `${along(tile % A_ROW, across)}% ${along(Math.floor(tile / A_ROW), down)}%`;
  sheet.style.setProperty("--scrub", `${100 * part}%`);
  const time = frame.querySelector(".clip-time");
  time.textContent = clock(part * Number(ms));
  time.hidden = false;
  frame.dataset.tile = tile;
}

function rest(frame) {
  frame.querySelector(".clip-sprite")?.remove();
  frame.querySelector(".clip-time").hidden = true;
  delete frame.dataset.tile;
}

document.addEventListener("pointermove", (event) => {
  const frame = event.pointerType !== "touch" && event.target.closest?.("[data-sprite]");
  if (!frame) return;
  const { left, width } = frame.getBoundingClientRect();
  show(frame, Math.min(0.999, Math.max(0, (event.clientX - left) / width)));
});

document.addEventListener("pointerout", (event) => {
  const frame = event.target.closest?.("[data-sprite]");
  if (frame && !frame.contains(event.relatedTarget)) rest(frame);
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const frame = step && event.target.closest(".clip-link")?.closest("[data-sprite]");
  if (!frame || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const count = Number(frame.dataset.tiles);
  const tile = Math.min(count - 1, Math.max(0, Number(frame.dataset.tile ?? -1) + step));
  show(frame, tile / count);
});

document.addEventListener("focusout", (event) => {
  const frame = event.target.closest?.(".clip-link")?.closest("[data-sprite]");
  if (frame) rest(frame);
});
