"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const numbers = new Intl.NumberFormat("en");

  // Where the reader is.
  const links = new Map(all(".toc a").map((link) => [link.hash.slice(1), link]));
  if (links.size) {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting || !links.has(entry.target.id)) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id).setAttribute("aria-current", "true");
      }
    }, { rootMargin: "0px 0px -75% 0px" });
    for (const section of all("main > section")) observer.observe(section);
  }

  // A link to something folded opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // The filter: sums over the cube, and claims shown or hidden.
  const form = one("#filter");
  if (!form) return;
  const cube = JSON.parse(one("#cube").textContent).rows;
  const claims = all(".claim:not(.whole)").map((element) => ({
    element,
    slices: [element.dataset.agent, element.dataset.model, element.dataset.useCase],
    standing: element.dataset.standing,
    text: element.textContent.toLowerCase(),
  }));
  const selects = ["agent", "model", "use_case"].map((name) => form.elements[name]);
  const standing = form.elements.standing;
  const search = form.elements.search;

  // The same rounding as the rest of the page: whole percent, halves up.
  const percentages = (counts) => {
    const whole = counts.reduce((sum, count) => sum + count, 0);
    if (!whole) return counts.map(() => "–");
    return counts.map((count) => {
      const percent = Math.floor((200 * count + whole) / (2 * whole));
      return count && !percent ? "<1%" : percent === 100 && count < whole ? ">99%" : `${percent}%`;
    });
  };

  const tables = all("table.shares").map((table) => ({
    column: Number(table.dataset.column),
    rows: Array.from(table.querySelectorAll("tr.sum")).map((element) => ({
      element,
      index: element.dataset.index,
      cells: Array.from(element.querySelectorAll("td")),
    })),
  }));
  const sliced = all("[data-slice]");

  const sum = (fits) => {
    const sums = [0, 0, 0, 0, 0];
    for (const row of cube) {
      if (fits(row)) for (let index = 0; index < 5; index += 1) sums[index] += row[3 + index];
    }
    return sums;
  };

  const draw = (bar, counts) => {
    const total = counts.reduce((whole, count) => whole + count, 0);
    let left = 0;
    counts.forEach((count, index) => {
      const width = total ? (100 * count) / total : 0;
      bar.children[index].setAttribute("x", `${left}%`);
      bar.children[index].setAttribute("width", `${width}%`);
      left += width;
    });
  };

  // A row of a table shows its value's part of the choice; what is added up as "others" cannot be taken apart.
  const retell = (chosen, isFiltered) => {
    for (const { column, rows } of tables) {
      for (const { element, index, cells } of rows) {
        const own = (row) => String(row[column]) === index;
        const chooses = (row) => chosen.every((value, place) => value === "" || String(row[place]) === value);
        const known = index !== "";
        const [answers, ...counts] = known ? sum((row) => own(row) && chooses(row)) : [0, 0, 0, 0, 0];
        const claims = counts.reduce((whole, count) => whole + count, 0);
        element.hidden = isFiltered && (!known || (!answers && !claims));
        if (!known) continue;
        const checked = counts.slice(0, 3);
        const shares = percentages(checked);
        cells[0].textContent = numbers.format(answers);
        cells[1].textContent = numbers.format(claims);
        checked.forEach((count, place) => {
          const cell = cells[2 + place];
          cell.querySelector(".share").textContent = shares[place];
          cell.querySelector(".count").textContent = numbers.format(count);
        });
        cells[5].textContent = numbers.format(counts[3]);
        draw(element.querySelector(".bar"), counts);
      }
    }
  };

  const refresh = () => {
    const chosen = selects.map((select) => select.value);
    const isFiltered = chosen.some((value) => value !== "");
    const [answers, ...counts] = sum((row) =>
      chosen.every((value, index) => value === "" || String(row[index]) === value));
    const total = counts.reduce((whole, count) => whole + count, 0);
    const shares = percentages(counts.slice(0, 3));
    one("#slice-text").textContent =
      `${numbers.format(total)} claims in ${numbers.format(answers)} answers, of which ` +
      `${numbers.format(total - counts[3])} could be checked: ` +
      `${shares[0]} supported, ${shares[1]} contradicted, ${shares[2]} not settled.`;
    draw(one("#slice-bar"), counts);
    retell(chosen, isFiltered);
    for (const element of sliced) {
      const own = [element.dataset.agent, element.dataset.model, element.dataset.useCase];
      element.hidden = chosen.some(
        (value, index) => value !== "" && own[index] !== undefined && own[index] !== value);
    }
    for (const element of all(".unfiltered")) element.hidden = !isFiltered;
    const words = search.value.trim().toLowerCase();
    form.closest(".filter-panel").classList.toggle("active", isFiltered || standing.value !== "" || words !== "");
    let shown = 0;
    for (const claim of claims) {
      const fits =
        chosen.every((value, index) => value === "" || claim.slices[index] === value) &&
        (standing.value === "" || claim.standing === standing.value) &&
        (words === "" || claim.text.includes(words));
      claim.element.hidden = !fits;
      if (fits) shown += 1;
    }
    one("#shown").textContent = shown
      ? `${shown} of ${claims.length} listed claims shown.`
      : `None of the ${claims.length} listed claims is in this selection.`;
  };

  for (const select of [...selects, standing]) select.addEventListener("change", refresh);
  search.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") form.reset();
  });
  form.closest("[hidden]").hidden = false;
  refresh();
})();
