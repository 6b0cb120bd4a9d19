// Keys, drafts, and no second click; without it the page works by its buttons.
"use strict";

const KEYS = "claimledger-review-keys";
const DRAFT = "claimledger-review-draft-";
const kept = (store, name) => { try { return store.getItem(name); } catch { return null; } };
const keep = (store, name, value) => {
  try { if (value) store.setItem(name, value); else store.removeItem(name); } catch { /* a private window keeps nothing */ }
};

const comment = document.getElementById("comment");
if (comment) {
  // A comment survives a browser or a server that dies before the decision is sent.
  comment.value = kept(localStorage, DRAFT + comment.dataset.draft) || comment.value;
  comment.addEventListener("input", () => keep(localStorage, DRAFT + comment.dataset.draft, comment.value));
  document.getElementById("decide").addEventListener("submit", () => keep(localStorage, DRAFT + comment.dataset.draft, ""));
}

const keys = document.getElementById("keys");
if (keys) {
  keys.checked = kept(localStorage, KEYS) !== "off";
  keys.addEventListener("change", () => keep(localStorage, KEYS, keys.checked ? "" : "off"));
}

let sent = false;
document.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});
window.addEventListener("pageshow", () => { sent = false; });

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.key === "Escape" && at === comment) { comment.blur(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (at.matches && at.matches("textarea, select, input:not([type=checkbox])")) return;
  if (keys && !keys.checked) return;
  if (event.key === "c" && comment) { event.preventDefault(); comment.focus(); return; }
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.tagName === "FORM") target.requestSubmit(); else target.click();
});

const claim = document.getElementById("claim");
const answer = claim && claim.closest(".answer");
// The claim in the middle of a long answer, without moving the page.
if (answer) answer.scrollTop = claim.offsetTop - answer.offsetTop - answer.clientHeight / 3;
