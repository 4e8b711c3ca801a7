// A form [data-choosing]: [data-choose-all] checks every box named "id" in it, [data-chosen-count] says how many are.
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-choosing]");
  if (!form) return;
  const boxes = [...form.querySelectorAll('input[name="id"]')];
  const all = form.querySelector("[data-choose-all]");
  if (event.target === all) for (const box of boxes) box.checked = all.checked;
  const chosen = boxes.filter((box) => box.checked).length;
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
  form.querySelector("[data-chosen-count]").textContent = chosen ? `${chosen} chosen` : "";
});
