// A revealed secret carries its masked form in a <template>; it goes back to it on Hide or after a while.
function hide(secret) {
  const masked = secret.querySelector("template").content.cloneNode(true);
  const again = masked.firstElementChild;
  const focused = secret.contains(document.activeElement);
  secret.replaceWith(masked);
  window.htmx?.process(again);
  if (focused) again.querySelector("button")?.focus();
}

function hideLater(root) {
  for (const secret of root.querySelectorAll("[data-reveal-seconds]:not([data-timed])")) {
    secret.dataset.timed = "";
    setTimeout(() => secret.isConnected && hide(secret), Number(secret.dataset.revealSeconds) * 1000);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-hide]");
  if (button) hide(button.closest(".secret"));
});

document.addEventListener("htmx:afterSettle", () => hideLater(document));
hideLater(document);
