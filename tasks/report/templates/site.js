"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // The filter: rows shown or hidden; months with a hit are opened, without one hidden.
  const form = one("#filter");
  const months = all(".month").map((element) => ({
    element,
    wasOpen: element.open,
    rows: Array.from(element.querySelectorAll("tbody tr"), (row) => ({
      element: row,
      text: row.textContent.toLowerCase(),
    })),
  }));
  const whole = months.reduce((sum, { rows }) => sum + rows.length, 0);
  const refresh = () => {
    const { flow, state, search } = form.elements;
    const words = search.value.trim().toLowerCase();
    const isFiltered = words !== "" || flow.value !== "" || state.value !== "";
    let shown = 0;
    for (const { element: month, rows, wasOpen } of months) {
      let hits = 0;
      for (const { element, text } of rows) {
        const fits =
          (flow.value === "" || element.dataset.flow === flow.value) &&
          (state.value === "" || state.value in element.dataset) &&
          (words === "" || text.includes(words));
        element.hidden = !fits;
        if (fits) hits += 1;
      }
      month.hidden = hits === 0;
      month.open = isFiltered ? hits > 0 : wasOpen;
      shown += hits;
    }
    one("#shown").textContent = isFiltered ? `${shown} of ${whole} runs shown.` : `${whole} runs.`;
  };
  for (const element of [form.elements.flow, form.elements.state]) element.addEventListener("change", refresh);
  form.elements.search.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));
  form.hidden = false;
})();
