// Packs the cards of narrow screens into columns without holes. Without it they stand in rows with holes between them.

const narrow = matchMedia("(width <= 720px)");
const GAP_PX = 16;

function pack() {
  for (const clips of document.querySelectorAll("[data-masonry]")) {
    const cards = [...clips.children];
    clips.removeAttribute("data-packed");
    for (const card of cards) card.style.removeProperty("grid-row-end");
    if (!narrow.matches || clips.dataset.view === "list") continue;
    const heights = cards.map((card) => Math.ceil(card.getBoundingClientRect().height));
    cards.forEach((card, number) => {
      card.style.gridRowEnd = `span ${heights[number] + GAP_PX}`;
    });
    clips.toggleAttribute("data-packed", true);
  }
}

narrow.addEventListener("change", pack);
addEventListener("resize", pack);
document.addEventListener("htmx:after:swap", pack);
document.fonts.ready.then(pack);
pack();
