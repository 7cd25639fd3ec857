"use strict";

// Draws a mesh by WebGL 2, to be turned by mouse, touch or keys.

// Normals (V x 3), not of unit length: the sums of those of the triangles round each vertex, by area.
const normalsOf = (vertices, triangles) => {
  const normals = new Float32Array(vertices.length);
  const edge = (from, to) => [0, 1, 2].map((axis) => vertices[3 * to + axis] - vertices[3 * from + axis]);
  for (let i = 0; i < triangles.length; i += 3) {
    const [a, b, c] = triangles.subarray(i, i + 3);
    const [u, v] = [edge(a, b), edge(a, c)];
    for (let axis = 0; axis < 3; axis++) {
      const [j, k] = [(axis + 1) % 3, (axis + 2) % 3];
      const part = u[j] * v[k] - u[k] * v[j];
      for (const vertex of [a, b, c]) normals[3 * vertex + axis] += part;
    }
  }
  return normals;
};

const VERTEX = `#version 300 es
in vec3 position, normal; in vec2 uv; uniform mat3 turn; uniform vec2 scale; out vec3 facing, own; out vec2 texel;
void main() {
  vec3 p = turn * position;
  facing = turn * normal; own = normal; texel = uv;
  float away = 5.0 - p.z;  // the camera is 5 radii away, from where the sphere fits; near and far at 3.5 and 6.5
  gl_Position = vec4(4.8 * scale * p.xy, (10.0 * away - 45.5) / 3.0, away);
}`;
// A photo has its own light: little is added to it. The inside of the face has no photo, and where the photo itself is
// laid over the mesh (`projected`), what turns away from it has none either.
const FRAGMENT = `#version 300 es
precision highp float;
in vec3 facing, own; in vec2 texel; uniform sampler2D photo; uniform bool textured, projected; out vec4 colour;
void main() {
  vec3 n = normalize(facing) * (gl_FrontFacing ? 1.0 : -1.0);
  float key = max(dot(n, normalize(vec3(-0.5, 0.6, 0.8))), 0.0), front = max(n.z, 0.0);
  float glint = pow(max(dot(n, normalize(vec3(-0.25, 0.3, 0.9))), 0.0), 24.0);
  vec3 grey = vec3(0.80, 0.78, 0.76) * (0.22 + 0.58 * key + 0.26 * front) + 0.06 * glint;
  vec3 seen = texture(photo, texel).rgb * (0.72 + 0.30 * front);
  if (projected) seen = mix(grey, seen, smoothstep(0.05, 0.3, normalize(own).z));
  colour = vec4(gl_FrontFacing ? (textured ? seen : grey) : 0.45 * grey, 1.0);
}`;

// Draws one mesh on a canvas and turns it; null where the browser has no WebGL 2.
//
// Where the photo itself is laid over it, it may move: then smooth edges are for those who need not draw in software.
const makeViewer = (canvas, projected = false) => {
  const gl = canvas.getContext("webgl2", {antialias: true, failIfMajorPerformanceCaveat: projected})
    || canvas.getContext("webgl2", {antialias: false});
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const [indices, texture] = [gl.createBuffer(), gl.createTexture()];
  const fill = Object.fromEntries([["position", 3], ["normal", 3], ["uv", 2]].map(([name, size]) => {
    const [buffer, at] = [gl.createBuffer(), gl.getAttribLocation(program, name)];
    return [name, (values, kind = gl.FLOAT) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, kind, kind !== gl.FLOAT, 0, 0);
    }];
  }));
  let count = 0, kind = gl.UNSIGNED_SHORT, turn, zoom, textured = true, waiting = false;

  const draw = () => {
    waiting = false;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((px) => Math.round(px * devicePixelRatio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const side = Math.min(width, height) * zoom;
    gl.uniform2f(uniform("scale"), side / width, side / height);
    gl.uniformMatrix3fv(uniform("turn"), true, turn);
    gl.uniform1i(uniform("textured"), textured);
    gl.uniform1i(uniform("projected"), projected);
    if (count) gl.drawElements(gl.TRIANGLES, count, kind, 0);
  };
  const redraw = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };
  const reset = () => {
    [turn, zoom] = [[1, 0, 0, 0, 1, 0, 0, 0, 1], 1];
    redraw();
  };
  // Turns by angles in radians about the axes of the screen: to the right, and downwards.
  const turnBy = (right, down) => {
    const [c, s, d, e] = [Math.cos(right), Math.sin(right), Math.cos(down), Math.sin(down)];
    const more = [c, 0, s, e * s, d, -e * c, -d * s, e, d * c];
    turn = turn.map((_, i) => [0, 1, 2].reduce((sum, k) => sum + more[3 * Math.floor(i / 3) + k] * turn[3 * k + i % 3], 0));
    redraw();
  };
  const zoomBy = (factor) => {
    zoom = Math.min(Math.max(zoom * factor, 0.4), 6);
    redraw();
  };
  // Shows another mesh, from the front, or from where the last one was seen.
  const show = (vertices, triangles, uv, image, keep = false) => {
    fill.position(vertices);
    fill.normal(normalsOf(vertices, triangles));
    fill.uv(uv, gl.UNSIGNED_SHORT);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    [count, kind] = [triangles.length, triangles.BYTES_PER_ELEMENT === 2 ? gl.UNSIGNED_SHORT : gl.UNSIGNED_INT];
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    if (keep) redraw();
    else reset();
  };
  const look = (wanted) => {
    textured = wanted;
    redraw();
  };

  const pointers = new Map();
  const spread = () => {
    const [first, second] = [...pointers.values()];
    return Math.hypot(first.x - second.x, first.y - second.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const apart = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    if (apart) zoomBy(spread() / apart);
    else if (pointers.size === 1)
      turnBy(...[event.clientX - before.x, event.clientY - before.y].map((px) => 3 * px / canvas.clientHeight));
  });
  for (const kind of ["pointerup", "pointercancel"])
    canvas.addEventListener(kind, (event) => pointers.delete(event.pointerId));
  // The wheel scrolls the page until the mesh has been clicked.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 600));
  }, {passive: false});
  const keys = {
    ArrowLeft: () => turnBy(-0.15, 0), ArrowRight: () => turnBy(0.15, 0), ArrowUp: () => turnBy(0, -0.15),
    ArrowDown: () => turnBy(0, 0.15), "+": () => zoomBy(1.15), "=": () => zoomBy(1.15), "-": () => zoomBy(1 / 1.15),
    Home: reset,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  canvas.addEventListener("dblclick", reset);
  // On paper stands what is seen at that moment: what WebGL drew is gone by then.
  const paper = Object.assign(document.createElement("canvas"), {className: "print"});
  paper.setAttribute("role", "img");
  paper.setAttribute("aria-label", "The mesh, as it was turned");
  canvas.parentElement.append(paper);
  addEventListener("beforeprint", () => {
    if (!canvas.clientWidth) return;
    draw();
    Object.assign(paper, {width: canvas.width, height: canvas.height}).getContext("2d").drawImage(canvas, 0, 0);
  });
  reset();
  new ResizeObserver(draw).observe(canvas);  // within the same frame, so that nothing flickers
  return {show, look, reset};
};
