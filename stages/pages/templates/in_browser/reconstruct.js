"use strict";

// A face by the face model, fitted to the points of Face Mesh and corrected there: pipeline/photo/fitting.py; or to the
// map of the bundle's network: pipeline/photo/map_network.py and pipeline/uv/map_fit.py.
//
// A result is {vertices, landmarks, pose, doubt, fit}, by axes, in px of the photo.

const sizeOf = (mesh) => {
  const [left, top, right, bottom] = boundsOf(mesh);
  return (right - left + bottom - top) / 2;
};

// Fit the face model to those points that are seen; `seen` says which, or is null for all.
const fitPoints = (face, mesh, seen, height, start = null) => {
  const [count, size] = [KNOWN.POINTS, sizeOf(mesh)];
  const roots = new Float64Array(3 * count);
  for (let i = 0; i < roots.length; i++)
    if (!seen || seen[i % count]) roots[i] = 1 / (size * KNOWN.SIGMA[Math.floor(i / count)]);
  return fitFace(face.points, mesh, roots, height, start);
};

// Turn a face that is seen from the side as far as it is, which Face Mesh falls short of, about the seen points.
const turnFurther = (face, fit, mesh, seen, height) => {
  const pose = [...fit.pose];
  const further = KNOWN.FURTHER * Math.max(Math.abs(pose[1]) - KNOWN.ASIDE, 0);
  pose[1] = Math.min(Math.max(pose[1] + Math.sign(pose[1]) * further, -KNOWN.MOST_ASIDE), KNOWN.MOST_ASIDE);
  const turned = place(face.points, {...fit, pose}, height);
  const kept = Array.from({length: KNOWN.POINTS}, (_, k) => k).filter((k) => !seen || seen[k]);
  const [middle, target] = [turned, mesh].map((points) => meanPoint(kept.map((k) => pointOf(points, k))));
  let [product, square] = [0, 0];
  for (const k of kept)
    for (let axis = 0; axis < 2; axis++) {
      const across = pointOf(turned, k)[axis] - middle[axis];
      product += across * (pointOf(mesh, k)[axis] - target[axis]);
      square += across ** 2;
    }
  const similarity = makeSimilarity(product / square, 0, middle, target);
  return {...fit, pose: transformPose(pose, height, similarity, height)};
};

// Which normals of the mean face point to the viewer.
const facingViewer = (normals, fit, height) => {
  const [count, camera] = [normals.length / 3, cameraMatrix(fit.pose, height)];
  return Array.from({length: count}, (_, k) =>
    camera[8] * normals[3 * k] + camera[9] * normals[3 * k + 1] + camera[10] * normals[3 * k + 2] > 0);
};

// Place the face model, and correct it where it cannot follow the points of Face Mesh; and the offset of their z.
const correct = (face, fit, mesh, seen, height) => {
  const [points, count] = [place(face.points, fit, height), KNOWN.POINTS];
  const missing = Float32Array.from(mesh, (value, i) => value - points[i]);
  let [offset, number] = [0, 0];
  for (let k = 0; k < count; k++)
    if (!seen || seen[k]) {
      offset += missing[2 * count + k];
      number += 1;
    }
  offset /= number;
  for (let k = 0; k < count; k++) missing[2 * count + k] = KNOWN.DEPTH * (missing[2 * count + k] - offset);
  if (seen) for (let i = 0; i < missing.length; i++) if (!seen[i % count]) missing[i] = 0;
  const [vertices, {correction}] = [place(face.model, fit, height), face];
  const [x, y, z] = [0, 1, 2].map((axis) => missing.subarray(axis * count, (axis + 1) * count));
  for (let v = 0, from = 0; v < face.model.count; v++) {
    let [a, b, c] = [0, 0, 0];
    for (let k = 0; k < count; k++, from++) {
      const weight = correction[from];
      a += weight * x[k];
      b += weight * y[k];
      c += weight * z[k];
    }
    vertices[v] += a;
    vertices[face.model.count + v] += b;
    vertices[2 * face.model.count + v] += c;
  }
  return {vertices, offset};
};

// From the model's vertices to those of the mesh that is shown, which may be finer.
const spreadOut = ({spread, model}, vertices) => {
  const {weights, indices, starts} = spread;
  const count = starts.length - 1;
  const shown = new Float32Array(3 * count);
  for (let v = 0; v < count; v++)
    for (let j = starts[v]; j < starts[v + 1]; j++)
      for (let axis = 0; axis < 3; axis++)
        shown[axis * count + v] += weights[j] * vertices[axis * model.count + indices[j]];
  return shown;
};

// The 68 landmarks off the points of Face Mesh, by axes: by the learnt map where there is one, else by the table.
const readMesh = (face, mesh, presence = 1, keypoints = null) => {
  const {first, second, weight} = KNOWN.LANDMARK_PAIRS;
  const [count, landmarks] = [first.length, new Float64Array(3 * first.length)];
  for (let axis = 0; axis < 3; axis++)
    for (let k = 0, at = axis * KNOWN.POINTS; k < count; k++)
      landmarks[axis * count + k] = (1 - weight[k]) * mesh[at + first[k]] + weight[k] * mesh[at + second[k]];
  if (face.landmarkMap) landmarks.set(applyMap(face.landmarkMap, mesh, presence, keypoints));
  return landmarks;
};

// pipeline/crops/landmark_map.py: x and y of the landmarks, by axes.
const applyMap = (learnt, mesh, presence, keypoints) => {
  const count = KNOWN.POINTS;
  const middle = meanPoint(Array.from({length: count}, (_, k) => pointOf(mesh, k)));
  const roll = lineRoll(...KNOWN.OUTER_CORNERS.map((k) => pointOf(mesh, k)));
  const turn = makeSimilarity(1, -roll, middle, [0, 0]);
  const [left, top, right, bottom] = boundsOf(moveSpace(turn, mesh));
  const frame = after(makeSimilarity(1 / Math.sqrt((right - left) * (bottom - top)), 0, [0, 0], [0, 0]), turn);
  const depth = mesh.subarray(2 * count).reduce((sum, z) => sum + z, 0) / count;
  const levelled = moveSpace(frame, mesh.map((value, i) => (i < 2 * count ? value : value - depth)));
  const row = [];
  for (let k = 0; k < count; k++) row.push(levelled[k], levelled[count + k], levelled[2 * count + k]);
  const doubt = keypoints ? 1 - presence : 0;
  for (let k = 0; k < KNOWN.KEYPOINTS; k++)
    for (let axis = 0; axis < 2; axis++) {
      const value = keypoints ? movePoint(frame, keypoints[k])[axis] : 0;
      row.push(doubt * Math.min(Math.max(value, -KNOWN.FARTHEST), KNOWN.FARTHEST));
    }
  row.push(doubt, 1);
  const [landmarks, found] = [learnt.length / row.length / 3, new Float64Array(2 * learnt.length / row.length / 3)];
  for (let k = 0; k < landmarks; k++) {
    const [x, y] = [0, 1].map((axis) => row.reduce((sum, value, i) => sum + value * learnt[(3 * i * landmarks) + 3 * k + axis], 0));
    [found[k], found[landmarks + k]] = movePoint(inverse(frame), [x, y]);
  }
  return found;
};

// Mean distance of Face Mesh's eyes, nose and mouth from the detector's, in sizes of the face.
const keypointDistance = ({keypoints, points, mesh}) => {
  if (!keypoints) return 0;
  const own = [...points.slice(0, 3), meanPoint(points.slice(3))];
  return own.reduce((sum, point, i) => sum + distance(point, keypoints[i]), 0) / own.length / sizeOf(mesh);
};

// Why a face is likely wrong, as a sentence; empty if it is not.
const doubtOf = (presence, residual, apart) => {
  const percent = (share) => `${Math.round(100 * share)} %`;
  if (presence < KNOWN.SURE_PRESENCE)
    return "Likely wrong: seen from the side, half covered, or no face (Face Mesh's score is "
      + `${Math.min(presence, KNOWN.SURE_PRESENCE - 0.001).toFixed(3)}; of a face that it sees well it is over ${KNOWN.SURE_PRESENCE}).`;
  if (apart > KNOWN.APART)
    return `Likely wrong: half covered or seen from the side (eyes, nose and mouth are ${percent(apart)} of the face's size `
      + "from where the detector saw them).";
  if (residual > KNOWN.FAR)
    return `Likely wrong: the points found are ${percent(residual)} of the face's size from those of any face.`;
  return "";
};

// Reconstruct a face of a photo by the fit.
const fitMesh = (face, found, width, height) => {
  const {mesh} = found;
  let fit = fitPoints(face, mesh, null, height);
  const residual = fit.residual / sizeOf(mesh);
  // The hidden half of a face, which Face Mesh guesses, is left to the face model.
  const [seen, seenLandmarks] = [face.pointNormals, face.landmarkNormals].map((each) => facingViewer(each, fit, height));
  fit = turnFurther(face, fitPoints(face, mesh, seen, height, fit), mesh, seen, height);
  const {vertices, offset} = correct(face, fit, mesh, seen, height);
  const landmarks = readMesh(face, mesh, found.presence, found.keypoints);
  const count = landmarks.length / 3;
  for (let k = 0; k < count; k++) landmarks[2 * count + k] -= offset;
  if (!face.landmarkMap) {
    const placed = place(face.landmarks, fit, height);
    for (let k = 0; k < count; k++) {
      const [x, y] = pointOf(landmarks, k);
      if (seenLandmarks[k] && x >= 0 && x <= width - 1 && y >= 0 && y <= height - 1) continue;
      for (let axis = 0; axis < 3; axis++) landmarks[axis * count + k] = placed[axis * count + k];
    }
  }
  const doubt = doubtOf(found.presence, residual, keypointDistance(found));
  return {vertices: spreadOut(face, vertices), landmarks, pose: fit.pose, doubt, fit};
};

// Roll of a face by the thesis's 14-point line (section 3.3.2).
const faceRoll = (landmarks) => {
  const [chin, root] = [KNOWN.CHIN, KNOWN.NOSE_ROOT].map((k) => pointOf(landmarks, k));
  const across = [chin[1] - root[1], root[0] - chin[0]];
  const line = [...KNOWN.LANDMARK_EYES.map((k) => pointOf(landmarks, k)), root, [root[0] + across[0], root[1] + across[1]]];
  const middle = meanPoint(line);
  let [xx, xy, yy] = [0, 0, 0];
  for (const point of line) {
    const [x, y] = [point[0] - middle[0], point[1] - middle[1]];
    [xx, xy, yy] = [xx + x * x, xy + x * y, yy + y * y];
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2;
  const ahead = Math.cos(angle) * across[0] + Math.sin(angle) * across[1] >= 0;
  return ahead ? angle : Math.atan2(-Math.sin(angle), -Math.cos(angle));
};

// Similarity from photo pixels to those of the network's crop.
const placeCrop = (landmarks, turns, {level, margin, size}) => {
  const align = (points, roll) => {
    const turn = makeSimilarity(1, -roll, [0, 0], [0, 0]);
    const [left, top, right, bottom] = boundsOf(moveSpace(turn, points));
    const centre = movePoint(inverse(turn), [(left + right) / 2, (top + bottom) / 2]);
    return cropSimilarity(centre, margin * (right - left + bottom - top) / 2, roll, size);
  };
  if (level) return align(landmarks, faceRoll(landmarks));
  const turn = makeSimilarity(1, -turns * Math.PI / 2, [0, 0], [0, 0]);
  return after(align(moveSpace(turn, landmarks), 0), turn);
};

// Reconstruct a face of a photo by the bundle's network, and the face model fitted to its map.
const drawFace = async (face, found, photo) => {
  const {network} = face;
  const similarity = placeCrop(readMesh(face, found.mesh, found.presence, found.keypoints), found.turns, network);
  const [values] = await network.run(toNumbers(resample(photo, similarity, network.size), 255, 0));
  const count = network.points.count;
  const texels = new Float64Array(3 * count);
  network.texels.forEach((texel, k) => {
    for (let axis = 0; axis < 3; axis++)
      texels[axis * count + k] = values[3 * texel + axis] * network.divisor + (axis < 2 ? network.centre : 0);
  });
  const roots = new Float64Array(3 * count).fill(1 / (KNOWN.SIGMA_PX * network.size / 256));
  let fit = fitFace(network.points, texels, roots, network.size);
  const residual = fit.residual / sizeOf(texels);
  fit = {...fit, pose: transformPose(fit.pose, network.size, inverse(similarity), photo.height)};
  return {
    vertices: spreadOut(face, place(face.model, fit, photo.height)),
    landmarks: place(face.landmarks, fit, photo.height),
    pose: fit.pose,
    doubt: doubtOf(found.presence, residual, keypointDistance(found)),
    fit,
  };
};

// Every face of a photo, the largest first.
const reconstructPhoto = async (face, networks, photo) => {
  const levels = halvings(photo);
  const faces = [];
  for (let found of await findFaces(levels, networks)) {
    if (face.landmarkMap) found = await lookAgain(levels, found, networks.mesh);
    const result = face.network ? await drawFace(face, found, photo) : fitMesh(face, found, photo.width, photo.height);
    faces.push({...result, box: found.box, presence: found.presence});
  }
  return faces;
};
