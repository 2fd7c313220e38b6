// Follows a reply while it is written: plain text as it comes, finished blocks in its place. Without it the page reloads itself until the reply is finished.

// A line this long without a break takes seconds to kern; see prose.css.
const LONG = 5000;

class Reply {
  constructor(article) {
    this.article = article;
    this.prose = article.querySelector(".prose");
    this.tail = article.querySelector("[data-tail]");
    this.progress = article.querySelector("[data-progress]");
    this.chip = article.querySelector("[data-chip-word]");
    this.text = this.tail.firstChild ?? this.tail.appendChild(document.createTextNode(""));
    this.end = Number(article.dataset.position.split(".")[0]);
    this.events = new EventSource(`${article.dataset.follow}?from=${article.dataset.position}`);
    this.events.addEventListener("text", (event) => this.write(event.data));
    this.events.addEventListener("block", (event) => this.settle(event.data, Number(event.lastEventId.split(".")[0])));
    this.events.addEventListener("progress", (event) => (this.progress.innerHTML = event.data));
    this.events.addEventListener("end", (event) => this.finish(event.data));
    this.events.addEventListener("error", () => this.trouble());
    this.events.addEventListener("open", () => this.article.removeAttribute("data-lost"));
  }

  write(text) {
    if (this.chip && this.article.dataset.state === "waiting") this.chip.textContent = "Writing";
    this.article.dataset.state = "writing";
    this.text.appendData(text);
    this.tail.parentElement.toggleAttribute("data-long", this.text.length > LONG);
    this.grown();
  }

  settle(html, end) {
    // Offsets count characters as the server does; a script counts UTF-16 halves, so walk over whole characters.
    let units = 0;
    for (let count = end - this.end; count > 0 && units < this.text.length; count--) {
      units += this.text.data.codePointAt(units) > 0xffff ? 2 : 1;
    }
    this.end = end;
    this.text.deleteData(0, units);
    this.tail.parentElement.insertAdjacentHTML("beforebegin", html);
    this.grown();
  }

  finish(html) {
    this.events.close();
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const finished = holder.content.firstElementChild;
    this.article.replaceWith(finished);
    window.htmx?.process(finished);
    finished.dispatchEvent(new CustomEvent("reply:finished", { bubbles: true }));
  }

  trouble() {
    // The browser reconnects by itself and says where it was. Closed means the server refused: the page has the answer.
    if (this.events.readyState === EventSource.CLOSED) location.reload();
    else this.article.dataset.lost = "";
  }

  grown() {
    this.article.dispatchEvent(new CustomEvent("reply:grown", { bubbles: true }));
  }
}

function followAll(root) {
  for (const article of root.querySelectorAll("[data-follow]:not([data-followed])")) {
    article.dataset.followed = "";
    new Reply(article);
  }
}

followAll(document);
document.addEventListener("htmx:after:swap", () => followAll(document));
