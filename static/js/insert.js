// data-insert="text" data-into="id": puts the text into that field where its cursor is, in place of what is selected.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  const field = button && document.getElementById(button.dataset.into);
  if (!field) return;
  field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
});
