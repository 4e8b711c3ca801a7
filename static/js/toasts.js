// Shows what the server says in HX-Trigger: {"toast": [{level, title, text}]}, and what goes wrong before it can.
const region = document.getElementById("toasts");
const template = document.getElementById("toast-template");
const LEAVES_AFTER = 6000;

function leaveLater(toast) {
  if (toast.dataset.level === "error") return;
  setTimeout(() => toast.matches(":hover, :focus-within") ? leaveLater(toast) : toast.remove(), LEAVES_AFTER);
}

function show({ level = "info", title = "", text = "" }) {
  // Outside an open dialog everything is inert, toasts too; so they go inside.
  (document.querySelector("dialog[open]") ?? document.body).append(region);
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.level = level;
  toast.querySelector("[data-toast-title]").textContent = title;
  toast.querySelector("[data-toast-text]").textContent = text;
  region.append(toast);
  leaveLater(toast);
}

document.addEventListener("toast", (event) => [event.detail.value].flat().forEach(show));

document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
  if (xhr.getResponseHeader("HX-Trigger")?.includes('"toast"')) return;
  show({ level: "error", title: `The server answered ${xhr.status}`, text: "Nothing was changed on this page. Try again, or reload it." });
});

document.addEventListener("htmx:sendError", () => {
  show({ level: "error", title: "Could not reach the server", text: "Check your connection and try again." });
});

document.addEventListener("click", (event) => {
  event.target.closest("[data-toast-dismiss]")?.closest(".toast").remove();
});

document.addEventListener("close", () => document.body.append(region), true);

region.querySelectorAll(".toast").forEach(leaveLater);
