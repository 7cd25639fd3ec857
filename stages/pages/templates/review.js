"use strict";
const cards = [...document.querySelectorAll("article")];
const output = document.querySelector("output");
let unsaved = false;

const count = () => {
  const refused = cards.filter((card) => card.classList.contains("refused")).length;
  output.textContent = `${cards.length - refused} accepted, ${refused} refused`;
};
const judge = (card, verdict) => {
  card.classList.toggle("refused", verdict === "refused");
  for (const button of card.querySelectorAll("[data-verdict]"))
    button.setAttribute("aria-pressed", button.dataset.verdict === verdict);
  unsaved = true;
  count();
};
const go = (card) => {
  card?.focus({preventScroll: true});
  card?.scrollIntoView({block: "nearest"});
};
cards.forEach((card, i) => {
  for (const button of card.querySelectorAll("[data-verdict]"))
    button.addEventListener("click", () => judge(card, button.dataset.verdict));
  card.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const does = {
      ArrowLeft: () => go(cards[i - 1]), ArrowRight: () => go(cards[i + 1]),
      a: () => judge(card, "accepted"), r: () => judge(card, "refused"),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight" && document.activeElement === document.body) go(cards[0]);
});
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
const table = () => ["face,verdict", ...cards.map((card) =>
  `${quoted(card.dataset.name)},${card.classList.contains("refused") ? "refused" : "accepted"}`)].join("\n") + "\n";
document.getElementById("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], {type: "text/csv"}));
  link.download = "review.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  unsaved = false;
});
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
count();
