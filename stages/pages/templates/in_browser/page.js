"use strict";

// The page: a photo that is chosen or dropped, or the camera; what is found, over the photo and as a mesh to be turned.

const at = (id) => document.getElementById(id);
const status = at("status");
const say = (sentence, warning = false) => {
  status.textContent = sentence;
  status.className = warning ? "warning" : "";
};
const pause = () => new Promise((done) => requestAnimationFrame(done));

// What is in the page is gzip in base64.
const unpack = async (id) => {
  const packed = Uint8Array.from(atob(at(id).textContent.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

// Half precision to single.
const widen = (halves) => Float32Array.from(halves, (half) => {
  const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});
const KINDS = {"<f4": Float32Array, "<f2": Uint16Array, "<i4": Int32Array, "<u2": Uint16Array, "<u4": Uint32Array};

// Arrays by their names, out of one file.
const readArrays = (content) => Object.fromEntries(Object.entries(KNOWN.arrays).map(([name, {kind, offset, count}]) => {
  const values = new KINDS[kind](content.buffer, content.byteOffset + offset, count);
  return [name, kind === "<f2" ? widen(values) : values];
}));

const openFace = (arrays) => {
  const model = (name) => {
    const [mean, basis] = [arrays[`${name}/mean`], arrays[`${name}/basis`]];
    return {mean, basis, count: mean.length / 3, vectors: basis.length / mean.length};
  };
  return {
    model: model("model"), points: model("points"), landmarks: model("landmarks"),
    spread: {weights: arrays["spread/data"], indices: arrays["spread/indices"], starts: arrays["spread/indptr"]},
    correction: arrays.correction, triangles: arrays.triangles, ownTriangles: arrays.own_triangles, landmarkMap: arrays.landmark_map ?? null,
    pointNormals: arrays.point_normals, landmarkNormals: arrays.landmark_normals,
    network: KNOWN.network && {...KNOWN.network, points: model("network"), texels: arrays["network/texels"]},
  };
};

// All that faces are found and made by.
const open = async () => {
  await startRuntime(await unpack("loader"), await unpack("runtime"));
  const networks = {};
  for (const [name, size] of Object.entries(KNOWN.sizes)) networks[name] = await openNetwork(await unpack(`network-${name}`), size);
  const face = openFace(readArrays(await unpack("arrays")));
  if (face.network) face.network.run = networks.map.run;
  return {networks, face};
};

const canvas = at("photo");
// Kept out of the graphics processor: each frame is read back.
const context = canvas.getContext("2d", {willReadFrequently: true});
// Draw a picture or a frame, on white where it is transparent; and its pixels.
const pixelsOf = (picture, width, height) => {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
};

// What gives the pixels of a camera's next frame; null at its end. Chrome gives frames past the graphics processor, which
// would have to finish drawing first.
const framesOf = async (stream) => {
  if (globalThis.MediaStreamTrackProcessor) {
    const reader = new MediaStreamTrackProcessor({track: stream.getVideoTracks()[0]}).readable.getReader();
    return async () => {
      const {value: frame} = await reader.read();
      if (!frame) return null;
      try {
        const pixels = new Uint8ClampedArray(frame.allocationSize({format: "RGBA"}));
        await frame.copyTo(pixels, {format: "RGBA"});
        const {width, height} = frame.visibleRect;
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
        return new ImageData(pixels, width, height);
      } finally {
        frame.close();
      }
    };
  }
  const video = Object.assign(document.createElement("video"), {srcObject: stream, muted: true, playsInline: true});
  await video.play();
  return async () => (stream.active ? pixelsOf(video, video.videoWidth, video.videoHeight) : null);
};

const viewer = makeViewer(at("mesh"), true);
// What is shown: the photo, its faces and which one is chosen.
const shown = {photo: null, faces: [], chosen: 0, opened: null, camera: null, rate: 0, frames: 0};

// Vertices (V x 3) of a face for the viewer, y up, so that the model's mean face fills the unit sphere.
const toSphere = ({vertices, pose}, height) => {
  const [count, c, middle] = [vertices.length / 3, cameraMatrix(pose, height), KNOWN.middle];
  const centre = [0, 1, 2].map((axis) =>
    c[4 * axis] * middle[0] + c[4 * axis + 1] * middle[1] + c[4 * axis + 2] * middle[2] + c[4 * axis + 3]);
  const placed = new Float32Array(3 * count);
  for (let axis = 0; axis < 3; axis++) {
    const scale = (axis === 1 ? -1 : 1) / (pose[6] * KNOWN.radius);
    for (let v = 0; v < count; v++) placed[3 * v + axis] = scale * (vertices[axis * count + v] - centre[axis]);
  }
  return placed;
};

// Where in the photo each vertex lies, in steps of a texture.
const placesInPhoto = ({vertices}, {width, height}) => {
  const [count, places] = [vertices.length / 3, new Uint16Array(2 * vertices.length / 3)];
  const step = (value, side) => Math.round(65535 * Math.min(Math.max((value + 0.5) / side, 0), 1));
  for (let v = 0; v < count; v++) [places[2 * v], places[2 * v + 1]] = [step(vertices[v], width), step(vertices[count + v], height)];
  return places;
};

// The photo with the landmarks of its faces, the chosen one's brighter, and their boxes.
const drawPhoto = () => {
  const {photo, faces, chosen} = shown;
  context.putImageData(photo, 0, 0);
  const unit = Math.max(photo.width, photo.height) / 400;
  faces.forEach((face, i) => {
    context.strokeStyle = context.fillStyle = i === chosen ? "#39e07f" : "#ffffffb0";
    context.lineWidth = unit;
    context.strokeRect(...face.box);
    const [count, side] = [face.landmarks.length / 3, 2.2 * Math.min(unit, Math.max(face.box[2] / 150, 0.5))];
    for (let k = 0; k < count; k++) {
      const [x, y] = pointOf(face.landmarks, k);
      context.fillRect(x + 0.5 - side / 2, y + 0.5 - side / 2, side, side);
    }
  });
};

const degrees = (angle) => `${(angle * 180 / Math.PI).toFixed(1)}°`;
// Shows the chosen face; one that moves by fewer triangles, from where the last one was seen.
const showFace = (moves, keep = moves) => {
  const {photo, faces, chosen} = shown;
  drawPhoto();
  const face = faces[chosen];
  at("views").hidden = false;
  at("numbers").hidden = !face;
  at("mesh").parentElement.hidden = !face && !shown.camera;
  if (!face) return;
  const {triangles, ownTriangles} = shown.opened.face;
  viewer?.show(toSphere(face, photo.height), moves ? ownTriangles : triangles, placesInPhoto(face, photo), photo, keep);
  [at("yaw").textContent, at("pitch").textContent, at("roll").textContent] =
    [face.pose[1], face.pose[0], face.pose[2]].map(degrees);
  at("presence").textContent = face.presence.toFixed(3);
};

const showChoice = () => {
  const {faces, chosen} = shown;
  at("faces").hidden = faces.length < 2;
  at("faces").replaceChildren(...faces.map((_, i) => {
    const button = document.createElement("button");
    Object.assign(button, {type: "button", textContent: `Face ${i + 1}`});
    button.setAttribute("aria-pressed", i === chosen);
    button.addEventListener("click", () => choose(i));
    return button;
  }));
};
const choose = (number) => {
  shown.chosen = number;
  showChoice();
  showFace(false);
  const face = shown.faces[number];
  const several = shown.faces.length > 1 ? `${shown.faces.length} faces; face ${number + 1} is shown.` : "One face was found.";
  say(face.doubt || several, Boolean(face.doubt));
};

const stopCamera = () => {
  shown.camera?.getTracks().forEach((track) => track.stop());
  shown.camera = null;
  at("camera").textContent = "Use the camera";
  at("rate").parentElement.hidden = true;
};

const openPhoto = async (file) => {
  stopCamera();
  if (!file) return;
  let picture;
  try {
    picture = await createImageBitmap(file, {imageOrientation: "from-image", colorSpaceConversion: "none"});
  } catch {
    say(`${file.name} is damaged, or no picture that this browser opens: choose a JPEG, PNG or WebP.`, true);
    return;
  }
  let [width, height] = [picture.width, picture.height];
  while (width * height > KNOWN.MAX_PIXELS) [width, height] = [width, height].map((side) => Math.ceil(side / 2));
  say(`Looking for faces in ${file.name} …`);
  await pause();
  await pause();
  try {
    shown.photo = pixelsOf(picture, width, height);
    shown.faces = await reconstructPhoto(shown.opened.face, shown.opened.networks, shown.photo);
  } catch (error) {
    say(`${file.name} could not be read: ${error.message}`, true);
    return;
  }
  if (shown.faces.length) choose(0);
  else {
    showChoice();
    showFace(false);
    say(`No face was found in ${file.name}: choose a photo that shows one larger, or from the front.`, true);
  }
};

const REFUSED = {
  NotAllowedError: "The camera was refused: allow it for this page in the browser's settings, or choose a photo.",
  NotFoundError: "There is no camera here: connect one, or choose a photo.",
  NotReadableError: "The camera is in use by another program: close that, or choose a photo.",
};
const openCamera = async () => {
  if (shown.camera) {
    stopCamera();
    say("The camera is off.");
    return;
  }
  if (!navigator.mediaDevices?.getUserMedia) {
    say("This browser gives no camera to a page from a file: use Chrome, Edge or Firefox, or choose a photo.", true);
    return;
  }
  try {
    shown.camera = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user", width: {ideal: 640}, height: {ideal: 480}}});
  } catch (error) {
    say(REFUSED[error.name] || `The camera can't be used (${error.message}): choose a photo.`, true);
    return;
  }
  const stream = shown.camera;
  at("camera").textContent = "Stop the camera";
  at("rate").parentElement.hidden = false;
  try {
    await followCamera(await framesOf(stream), stream);
  } catch (error) {
    if (shown.camera === stream) stopCamera();
    say(`The camera stopped: ${error.message}`, true);
  }
};

// Frame after frame, until the camera is stopped or another one is started.
const followCamera = async (frames, stream) => {
  let [track, before, kept] = [null, performance.now(), false];
  Object.assign(shown, {frames: 0, rate: 0});
  at("faces").hidden = true;
  for (;;) {
    const photo = await frames();
    if (shown.camera !== stream || !photo) return;
    const next = await nextFrame(shown.opened.face, shown.opened.networks, photo, performance.now() / 1000, track);
    if (shown.camera !== stream) return;
    track = next.track;
    Object.assign(shown, {photo, faces: next.result ? [next.result] : [], chosen: 0, frames: shown.frames + 1});
    showFace(true, kept);
    kept ||= Boolean(next.result);
    say(next.result ? "Following the face." : "No face is seen: come nearer, and look into the camera.");
    const seconds = (performance.now() - before) / 1000;
    before = performance.now();
    shown.rate = shown.rate ? 0.9 * shown.rate + 0.1 / seconds : 1 / seconds;
    at("rate").textContent = shown.rate.toFixed(0);
    await pause();  // it is drawn, and whoever turns it is heard
  }
};

const looks = [...document.querySelectorAll("[data-look]")];
const press = (wanted) => {
  for (const button of looks)
    if (button.dataset.look !== "reset") button.setAttribute("aria-pressed", button.dataset.look === wanted);
};
for (const button of looks)
  button.addEventListener("click", () => {
    if (button.dataset.look === "reset") viewer?.reset();
    else {
      press(button.dataset.look);
      viewer?.look(button.dataset.look === "texture");
    }
  });
press("texture");

const start = async () => {
  if (!globalThis.WebAssembly || !globalThis.DecompressionStream || !globalThis.ort || !viewer) {
    say("This browser is too old for this page, or has no WebGL 2: use a current Chrome, Edge, Firefox or Safari.", true);
    return;
  }
  try {
    shown.opened = await open();
  } catch (error) {
    say(`The networks could not be opened: ${error.message}`, true);
    return;
  }
  at("file").disabled = at("camera").disabled = false;
  say("Choose a photo, drop one here, or use the camera.");
  at("file").addEventListener("change", async () => {
    const [file] = at("file").files;
    await openPhoto(file);
    at("file").value = "";  // so that the same one can be chosen again
  });
  at("camera").addEventListener("click", openCamera);
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    openPhoto(event.dataTransfer.files[0]);
  });
};
start();
