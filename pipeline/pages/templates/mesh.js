"use strict";

document.body.classList.toggle("framed", window !== window.top);
const canvas = document.querySelector("canvas");
const viewer = makeViewer(canvas);
if (viewer) {
  const vertices = decodeVertices(canvas.dataset.vertices);
  viewer.look(false);
  viewer.show(vertices, decodeTriangles(canvas.dataset.triangles, vertices), new Uint16Array(2 * vertices.length / 3),
    new ImageData(1, 1));
} else canvas.replaceWith("This browser cannot draw the mesh, for want of WebGL 2.");
