// What asks again every few seconds stands still while nobody can see it.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.closest?.("[data-poll]")) event.preventDefault();
});
