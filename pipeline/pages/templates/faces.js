"use strict";

const faces = [...document.querySelectorAll(".face")];
const links = [...document.querySelectorAll(".faces a")];
const holder = document.getElementById("viewer");
let viewer, chosenTab = null;

const selectTab = (face, name) => {
  const tabs = [...face.querySelectorAll("[role=tab]")];
  const chosen = tabs.find((tab) => tab.textContent === name) || tabs[0];
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
  return chosen;
};

const selectFace = async (chosen) => {
  faces.forEach((face, i) => {
    face.hidden = face !== chosen;
    if (face !== chosen) links[i]?.removeAttribute("aria-current");
    else links[i]?.setAttribute("aria-current", "true");
  });
  selectTab(chosen, chosenTab);
  chosen.querySelector(".slot").append(holder);
  holder.hidden = false;
  viewer ??= makeViewer(holder.querySelector("canvas"));
  if (!viewer) {
    holder.textContent = "This browser cannot draw the mesh, for want of WebGL 2; its files are below.";
    return;
  }
  const image = chosen.querySelector(".texture");
  if (!image.complete) await new Promise((loaded) => image.addEventListener("load", loaded, {once: true}));
  if (chosen.hidden) return;  // another was chosen meanwhile
  const surface = document.getElementById(chosen.dataset.surface).dataset;
  const vertices = decodeVertices(chosen.dataset.vertices);
  const triangles = decodeTriangles(surface.triangles, vertices);
  viewer.show(vertices, triangles, decode(surface.uv, Uint16Array), image);
};

for (const face of faces) {
  const tabs = [...face.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => selectTab(face, chosenTab = tab.textContent));
    tab.addEventListener("keydown", (event) => {
      const next = {ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: tabs.length - 1}[event.key];
      if (next === undefined) return;
      event.preventDefault();
      const target = tabs[(next + tabs.length) % tabs.length];
      selectTab(face, chosenTab = target.textContent);
      target.focus();
    });
  });
}
links.forEach((link, i) => link.addEventListener("click", (event) => {
  event.preventDefault();  // the page would scroll to the face
  history.replaceState(null, "", link.hash);
  selectFace(faces[i]);
}));
const looks = [...holder.querySelectorAll("[data-look]")];
const press = (wanted) => {
  for (const button of looks)
    if (button.dataset.look !== "reset") button.setAttribute("aria-pressed", button.dataset.look === wanted);
};
looks.forEach((button) => button.addEventListener("click", () => {
  if (button.dataset.look === "reset") {
    viewer?.reset();
    return;
  }
  press(button.dataset.look);
  viewer?.look(button.dataset.look === "texture");
}));
press("texture");
// The first that is shown is none that is likely wrong, unless all are.
const first = faces.find((face) => `#${face.id}` === location.hash) || faces.find((face) => !face.querySelector(".warning"))
  || faces[0];
// An address that names a face chooses it; the browser would scroll to it too.
for (const face of faces) face.removeAttribute("id");
selectFace(first);
scrollTo(0, 0);
