"use strict";

// Numbers of the page are base64 of little-endian arrays.
const decode = (text, Numbers) => new Numbers(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);

// Vertices (V x 3) about the origin within the unit sphere, from their steps in the unit cube.
const place = (steps) => {
  const vertices = Float32Array.from(steps, (step) => step / 65535 - 0.5);
  let radius = 0;
  for (let i = 0; i < vertices.length; i += 3)
    radius = Math.max(radius, Math.hypot(vertices[i], vertices[i + 1], vertices[i + 2]));
  return vertices.map((value) => value / (radius || 1));
};
const decodeVertices = (text) => place(decode(text, Uint16Array));
const decodeTriangles = (text, vertices) => decode(text, vertices.length / 3 <= 65535 ? Uint16Array : Uint32Array);
