// On the page that shows a new key once: makes a reload ask for the list of keys again. Without it the browser asks whether to send the form twice.

const fresh = document.querySelector("[data-list]");
if (fresh) history.replaceState(null, "", fresh.dataset.list);
