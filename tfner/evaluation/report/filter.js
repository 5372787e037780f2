"use strict";
/* Hides the items that a form of filters leaves out; without script all are shown, and no form. */
for (const form of document.querySelectorAll("form.filter")) {
  const items = [...form.parentElement.querySelectorAll("li[data-kind]")];
  const groups = [...form.parentElement.querySelectorAll("details")];
  const { kind, type, text } = form.elements;
  const fits = (item) => {
    const types = JSON.parse(item.dataset.types);
    const content = item.textContent.toLowerCase();
    return (!kind.value || item.dataset.kind === kind.value)
      && (!type.value || types.includes(type.value))
      && content.includes(text.value.trim().toLowerCase());
  };
  const apply = () => {
    for (const item of items) item.hidden = !fits(item);
    const shown = items.filter((item) => !item.hidden);
    for (const group of groups) {
      group.hidden = !shown.some((item) => group.contains(item));
      if (kind.value || type.value || text.value) group.open = true;
    }
    form.querySelector("output").textContent = `${shown.length} of ${items.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
