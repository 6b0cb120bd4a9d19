"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // Copying. Where the clipboard is refused, the query is selected so that the keyboard's copy works.
  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = document.getElementById(button.dataset.query);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        code.scrollIntoView({ block: "center" });
        button.textContent = "Press Ctrl+C";
      }
      one("#copied").textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; }, 2500);
    });
  }

  // Forms that filter what the page shows: they appear only where scripts run, and / leads to the words.
  for (const form of all("#filter")) {
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("keydown", (event) => {
      const typing = /^(input|select|textarea)$/i.test(event.target.tagName || "");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      form.elements.search.focus();
    });
  }

  // Paper shows everything; afterwards the page is as it was.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open]):not(.sql):not(.whole):not(.others)");
    for (const element of opened) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of opened) element.open = false;
  });
})();
