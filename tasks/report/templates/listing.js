"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const form = one("#filter");
  const rows = Array.from(document.querySelectorAll("#claims tbody tr"), (element) => ({
    element,
    text: element.textContent.toLowerCase(),
  }));
  const whole = one("#shown").textContent;
  const refresh = () => {
    const { standing, search } = form.elements;
    const words = search.value.trim().toLowerCase();
    let shown = 0;
    for (const { element, text } of rows) {
      const fits =
        (standing.value === "" || element.dataset.standing === standing.value) &&
        (words === "" || text.includes(words));
      element.hidden = !fits;
      if (fits) shown += 1;
    }
    one("#shown").textContent = shown === rows.length ? whole : `${shown} of ${rows.length} claims of this page shown.`;
  };
  form.elements.standing.addEventListener("change", refresh);
  form.elements.search.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));
  // A link to an answer that is folded opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  form.hidden = false;
})();
