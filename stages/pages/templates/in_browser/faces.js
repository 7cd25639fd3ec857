"use strict";

// Faces of a photo by BlazeFace and Face Mesh: pipeline/crops/blaze_face.py and face_mesh.py.
//
// A face is {mesh, presence, score, keypoints, box, points, turns}: 468 points by axes, in px of the photo; Face Mesh's
// score and the detector's; the detector's six keypoints or null; x, y, width and height; the five points; quarter turns.

const lineRoll = (right, left) => Math.atan2(left[1] - right[1], left[0] - right[0]);
const sigmoid = (logit) => 1 / (1 + Math.exp(-Math.min(Math.max(logit, -80), 80)));
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const meanPoint = (points) => [0, 1].map((axis) => points.reduce((sum, each) => sum + each[axis], 0) / points.length);
const pointOf = (mesh, k) => [mesh[k], mesh[mesh.length / 3 + k]];

// Share of their union that two squares have in common.
const shareOfUnion = (centre, side, other, otherSide) => {
  const [across, down] = [0, 1].map((axis) => {
    const reach = (side + otherSide) / 2 - Math.abs(centre[axis] - other[axis]);
    return Math.max(Math.min(reach, side, otherSide), 0);
  });
  return across * down / Math.max(side ** 2 + otherSide ** 2 - across * down, 1e-9);
};

// Middles of a detector's cells, in px of what it sees.
const anchorsOf = (kind, size) => KNOWN.CELLS[kind].flatMap(([stride, boxes]) => {
  const middles = Array.from({length: size / stride}, (_, i) => (i + 0.5) * stride);
  return middles.flatMap((y) => middles.flatMap((x) => Array.from({length: boxes}, () => [x, y])));
});

// Read a detector's outputs: the boxes over the least score, those of one face as their mean weighted by the score.
const decodeBoxes = (boxes, logits, anchors, similarity) => {
  const rows = [];
  logits.forEach((logit, k) => {
    const score = sigmoid(logit);
    if (score < KNOWN.MIN_SCORE) return;
    const pair = (i) => [boxes[16 * k + 2 * i], boxes[16 * k + 2 * i + 1]];
    const points = [0, 2, 3, 4, 5, 6, 7].map((i) => pair(i).map((value, axis) => value + anchors[k][axis] - 0.5));
    rows.push({score, points, side: Math.max(...pair(1))});
  });
  rows.sort((a, b) => b.score - a.score);
  const [back, found] = [inverse(similarity), []];
  for (let left = rows; left.length;) {
    const [first] = left;
    const isSame = (row) => shareOfUnion(row.points[0], row.side, first.points[0], first.side) > KNOWN.SAME_FACE;
    const same = left.filter(isSame);
    if (!same.includes(first)) same.unshift(first);
    left = left.filter((row) => !same.includes(row));
    const weight = same.reduce((sum, row) => sum + row.score, 0);
    const mean = (value) => same.reduce((sum, row) => sum + row.score * value(row), 0) / weight;
    const [centre, ...keypoints] = first.points.map((_, i) =>
      movePoint(back, [0, 1].map((axis) => mean((row) => row.points[i][axis]))));
    found.push({centre, keypoints, side: mean((row) => row.side) * scaleOf(back), score: first.score});
  }
  return found;
};

const detect = async (levels, region, kind, networks) => {
  const network = networks[kind];
  const {seen, similarity} = see(levels, region, network.size);
  const [boxes, logits] = await network.run(toNumbers(seen, 127.5, -1));
  network.anchors ??= anchorsOf(kind, network.size);
  return decodeBoxes(boxes, logits, network.anchors, similarity);
};

// Run Face Mesh on a region: 468 points, by axes, and how sure it is.
const meshPoints = async (levels, region, network, mirror = false) => {
  const {seen, similarity} = see(levels, region, network.size);
  const [count, size] = [KNOWN.POINTS, network.size];
  const numbers = toNumbers(seen, 255, 0);
  if (mirror)
    for (let row = 0; row < size; row++)
      for (let column = 0; column < size; column++)
        for (let channel = 0; channel < 3; channel++)
          numbers[3 * (row * size + column) + channel] = seen[3 * (row * size + size - 1 - column) + channel] / 255;
  const [points, [logit]] = await network.run(numbers);
  const placed = new Float64Array(3 * count);
  for (let k = 0; k < count; k++) {
    const from = mirror ? KNOWN.MIRRORED[k] : k;
    // The network counts from the edge of the first pixel, and away from the viewer.
    const x = points[3 * from] - 0.5;
    placed[k] = mirror ? size - 1 - x : x;
    placed[count + k] = points[3 * from + 1] - 0.5;
    placed[2 * count + k] = -points[3 * from + 2];
  }
  return {mesh: moveSpace(inverse(similarity), placed), presence: sigmoid(logit)};
};

const boundsOf = (points) => {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let k = 0; k < points.length / 3; k++) {
    const [x, y] = pointOf(points, k);
    bounds[0] = Math.min(bounds[0], x);
    bounds[1] = Math.min(bounds[1], y);
    bounds[2] = Math.max(bounds[2], x);
    bounds[3] = Math.max(bounds[3], y);
  }
  return bounds;
};

// Region that Face Mesh sees best of a face whose points are about known.
const meshRegion = (mesh) => {
  const roll = lineRoll(...KNOWN.OUTER_CORNERS.map((k) => pointOf(mesh, k)));
  const turn = makeSimilarity(1, -roll, [0, 0], [0, 0]);
  const [left, top, right, bottom] = boundsOf(moveSpace(turn, mesh));
  const centre = movePoint(inverse(turn), [(left + right) / 2, (top + bottom) / 2]);
  return {centre, side: KNOWN.REGION * Math.max(right - left, bottom - top), roll};
};

// Find the points of the face in a region, as the detector or the last frame gives it.
const follow = async (levels, region, networks, score = 0, keypoints = null) => {
  let found;
  for (let pass = 0; pass < KNOWN.PASSES; pass++) {
    found = await meshPoints(levels, region, networks.mesh);
    region = meshRegion(found.mesh);
  }
  const [left, top, right, bottom] = boundsOf(found.mesh);
  const points = [...KNOWN.EYES.map((eye) => meanPoint(eye.map((k) => pointOf(found.mesh, k)))),
    ...[KNOWN.NOSE_TIP, ...KNOWN.MOUTH_CORNERS].map((k) => pointOf(found.mesh, k))];
  const turns = ((Math.round(2 * region.roll / Math.PI) % 4) + 4) % 4;
  return {...found, score, keypoints, box: [left, top, right - left, bottom - top], points, turns};
};

// A face's points and presence as the mean of several looks, which err less than a single one.
const lookAgain = async (levels, face, network) => {
  const region = meshRegion(face.mesh);
  const looks = [];
  for (const shift of KNOWN.SHIFTS)
    for (const mirror of [false, true]) {
      const centre = [region.centre[0] + shift * region.side, region.centre[1]];
      looks.push(await meshPoints(levels, {...region, centre}, network, mirror));
    }
  const mesh = looks[0].mesh.map((_, i) => looks.reduce((sum, look) => sum + look.mesh[i], 0) / looks.length);
  return {...face, mesh, presence: looks.reduce((sum, look) => sum + look.presence, 0) / looks.length};
};

const centreOf = ({box}) => [box[0] + box[2] / 2, box[1] + box[3] / 2];
const sideOf = ({box}) => (box[2] + box[3]) / 2;
const certaintyOf = (faces) => Math.max(0, ...faces.map((face) => face.presence));

// Keep each face once, as it was seen best.
const once = (faces) => {
  const kept = [];
  for (const face of [...faces].sort((a, b) => b.presence - a.presence)) {
    const isSame = (other) => shareOfUnion(centreOf(other), sideOf(other), centreOf(face), sideOf(face)) > KNOWN.SAME_FACE;
    if (!kept.some(isSame)) kept.push(face);
  }
  return kept;
};
const isPresent = (face) => face.presence >= KNOWN.MIN_PRESENCE || face.score >= KNOWN.SURE_SCORE;
const present = (faces) => once(faces.filter(isPresent));

// Whether a detection is of an upright face that Face Mesh is certain of already.
const isKnown = (found, faces) => faces.some((face) => face.presence >= KNOWN.CERTAIN && !face.turns
  && shareOfUnion(centreOf(face), sideOf(face), found.centre, found.side) > KNOWN.SAME_FACE);

// A face, or the one that stands on its head in its place, where Face Mesh is sure of it and surer.
const surerWayUp = async (levels, face, networks) => {
  const region = meshRegion(face.mesh);
  const turned = {...region, roll: region.roll + Math.PI};
  if ((await meshPoints(levels, turned, networks.mesh)).presence <= face.presence) return face;
  const other = await follow(levels, turned, networks, face.score, face.keypoints);
  return other.presence > Math.max(face.presence, KNOWN.CERTAIN) ? other : face;
};

const regionOf = ({centre, side, keypoints}) =>
  ({centre, side: KNOWN.REGION * side, roll: lineRoll(keypoints[0], keypoints[1])});

const meshFaces = async (levels, found, networks) => {
  const faces = [];
  for (const each of found) {
    const first = await follow(levels, regionOf(each), networks, each.score, each.keypoints);
    const face = await surerWayUp(levels, first, networks);
    if (Math.max(face.box[2], face.box[3]) >= KNOWN.MIN_SIDE) faces.push(face);
  }
  return faces;
};

const wholeRegion = ({width, height}) =>
  ({centre: [(width - 1) / 2, (height - 1) / 2], side: Math.max(width, height), roll: 0});

// Centres of squares that cover a photo and overlap by half.
const centresOf = (height, width, side) => {
  const [rows, columns] = [height, width].map((length) => Math.max(1, Math.round(2 * length / side) - 1));
  return Array.from({length: rows * columns}, (_, i) => [
    (i % columns + 1) * width / (columns + 1) - 0.5, (Math.floor(i / columns) + 1) * height / (rows + 1) - 0.5]);
};

// Let the detector look again at a turned face: where it lies it is off, or takes its mouth for the eyes.
const seeUpright = async (levels, face, networks) => {
  if (!face.turns) return face;
  const region = meshRegion(face.mesh);
  const found = await detect(levels, {...region, side: KNOWN.UPRIGHT * region.side}, "near", networks);
  found.sort((a, b) => distance(a.centre, region.centre) - distance(b.centre, region.centre));
  return found.length ? {...face, keypoints: found[0].keypoints} : face;
};

// Find the faces in a photo (`halvings` of it), the largest box first.
const findFaces = async (levels, networks) => {
  const {width, height} = levels[0];
  if (Math.min(width, height) < KNOWN.MIN_SIDE) return [];
  const whole = wholeRegion(levels[0]);
  const far = await meshFaces(levels, await detect(levels, whole, "far", networks), networks);
  const others = (await detect(levels, whole, "near", networks)).filter((each) => !isKnown(each, far));
  const upright = await meshFaces(levels, others, networks);
  let faces = present([...upright, ...far]);
  for (const turn of [0.5, 1.0, -0.5])
    if (certaintyOf(faces) < KNOWN.CERTAIN) {
      const found = [];
      for (const kind of Object.keys(KNOWN.CELLS))
        found.push(...await detect(levels, {...whole, roll: turn * Math.PI}, kind, networks));
      const turned = present(await meshFaces(levels, found, networks));
      if (certaintyOf(turned) > certaintyOf(faces)) faces = turned;
    }
  for (const parts of KNOWN.PARTS) {
    const side = whole.side / parts;
    const smallest = faces.length ? Math.min(...faces.map((face) => Math.max(face.box[2], face.box[3]))) : 0;
    if (smallest > 2 * KNOWN.SMALL * side || side < networks.far.size / 2) break;
    const found = [];
    for (const centre of centresOf(height, width, side))
      found.push(...await detect(levels, {centre, side, roll: 0}, "far", networks));
    faces = present([...faces, ...await meshFaces(levels, found, networks)]);
  }
  const seen = [];
  for (const face of faces.length ? faces : once(upright)) seen.push(await seeUpright(levels, face, networks));
  return seen.sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
};
