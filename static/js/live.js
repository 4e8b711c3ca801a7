// The API Log's live view: polls by htmx, stands still while paused or out of sight, shows no call twice.
const KEPT_ROWS = 300;

document.addEventListener("htmx:beforeRequest", (event) => {
  const live = event.target.closest?.("[data-tail]")?.closest("[data-live]");
  if (live && (document.hidden || live.hasAttribute("data-paused"))) event.preventDefault();
});

// A call that ended while the last answer was made can come again with the next.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  for (const row of event.detail.fragment.querySelectorAll("tr[id]")) {
    if (document.getElementById(row.id)) row.remove();
  }
});

document.addEventListener("htmx:oobAfterSwap", () => {
  const rows = document.querySelectorAll("#call-rows > tr");
  for (const row of [...rows].slice(KEPT_ROWS)) row.remove();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-live-pause]");
  if (!button) return;
  event.preventDefault();
  const live = button.closest("[data-live]");
  const paused = live.toggleAttribute("data-paused");
  button.textContent = paused ? "Resume" : "Pause";
  const state = live.querySelector("[data-live-state]");
  state.textContent = paused ? "Paused" : "Following live";
  state.dataset.status = paused ? "paused" : "live";
});
