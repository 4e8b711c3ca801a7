// A form that asks at every change can stand in what its answer replaces. Whoever has gone on writing in it meanwhile keeps
// what they wrote: such an answer is left out, and their next change asks for another.
const asked = new WeakMap();
const filledIn = (form) => new URLSearchParams(new FormData(form)).toString();

document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("form[hx-trigger*=change]")) asked.set(elt, filledIn(elt));
});

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const form = detail.requestConfig.elt;
  if (asked.has(form) && detail.target.contains(form) && filledIn(form) !== asked.get(form)) detail.shouldSwap = false;
});
