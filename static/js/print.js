// [data-print] on a button, hidden without this, prints the page.
function show() {
  for (const button of document.querySelectorAll("button[data-print]")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("button[data-print]")) window.print();
});
document.addEventListener("htmx:load", show);
show();
