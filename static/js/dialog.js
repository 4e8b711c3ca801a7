// One dialog for the whole portal. htmx fills #dialog-body; this opens, closes and empties it.
const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
let opener = null;

if (dialog) {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target } = event.detail;
    if (target !== body || dialog.open) return;
    // An item of a menu is gone once the menu closes; its button is still there.
    const menu = elt.closest("[popover]");
    opener = (menu && document.querySelector(`[popovertarget="${menu.id}"]`)) ?? elt;
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== body) return;
    if (!dialog.open) dialog.showModal();
    const field = ".dialog-main :is(input:not([type=hidden]), select, textarea)";
    ["[aria-invalid=true]", "[autofocus]", field]
      .map((wanted) => body.querySelector(wanted))
      .find(Boolean)
      ?.focus();
    // htmx would focus the first of these after the swap, and not what has to be corrected.
    body.querySelectorAll("[autofocus]").forEach((start) => start.removeAttribute("autofocus"));
  });

  document.addEventListener("dialog:close", () => dialog.close());

  document.addEventListener("dialog:open", (event) => {
    htmx.ajax("GET", event.detail.value, { target: body, swap: "innerHTML" });
  });

  document.addEventListener("click", (event) => {
    if (!dialog.open || !event.target.closest("[data-dismiss]")) return;
    event.preventDefault();
    dialog.close();
  });

  dialog.addEventListener("close", () => {
    body.replaceChildren();
    (opener?.isConnected ? opener : document.getElementById("main")).focus();
  });
}
