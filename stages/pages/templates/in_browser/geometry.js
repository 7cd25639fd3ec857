"use strict";

// Similarities of the plane, rotations and cameras: pipeline/face/similarity.py and camera.py.
//
// A similarity {c, s, x, y} moves (px, py) to (c px - s py + x, s px + c py + y). A 3 x 3 matrix is an array of 9, by
// rows. Points in space are one array by axes: all x, then all y, then all z.

const makeSimilarity = (scale, angle, source, target) => {
  const [c, s] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return {c, s, x: target[0] - c * source[0] + s * source[1], y: target[1] - s * source[0] - c * source[1]};
};
const scaleOf = ({c, s}) => Math.hypot(c, s);
const angleOf = ({c, s}) => Math.atan2(s, c);
const movePoint = ({c, s, x, y}, point) => [c * point[0] - s * point[1] + x, s * point[0] + c * point[1] + y];
// First one, then the other.
const after = (second, first) => {
  const [x, y] = movePoint(second, [first.x, first.y]);
  return {c: second.c * first.c - second.s * first.s, s: second.s * first.c + second.c * first.s, x, y};
};
const inverse = ({c, s, x, y}) => {
  const square = c * c + s * s;
  return {c: c / square, s: -s / square, x: -(c * x + s * y) / square, y: (s * x - c * y) / square};
};
// Points in space (by axes): z is scaled, and neither turned nor shifted.
const moveSpace = (similarity, points) => {
  const [count, moved, scale] = [points.length / 3, new Float64Array(points.length), scaleOf(similarity)];
  for (let k = 0; k < count; k++) {
    [moved[k], moved[count + k]] = movePoint(similarity, [points[k], points[count + k]]);
    moved[2 * count + k] = scale * points[2 * count + k];
  }
  return moved;
};

const multiply = (a, b) => Array.from({length: 9}, (_, i) => {
  const [row, column] = [3 * Math.floor(i / 3), i % 3];
  return a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6];
});

// R = Rx(pitch) Ry(yaw) Rz(roll), each axis turned clockwise.
const rotationMatrix = (pitch, yaw, roll) => {
  const [cx, sx, cy, sy] = [Math.cos(pitch), Math.sin(pitch), Math.cos(yaw), Math.sin(yaw)];
  const [cz, sz] = [Math.cos(roll), Math.sin(roll)];
  return multiply(multiply([1, 0, 0, 0, cx, sx, 0, -sx, cx], [cy, 0, -sy, 0, 1, 0, sy, 0, cy]),
    [cz, sz, 0, -sz, cz, 0, 0, 0, 1]);
};
const eulerAngles = (r) => {
  const yaw = -Math.asin(Math.min(Math.max(r[2], -1), 1));
  if (Math.abs(r[2]) > 1 - 1e-12) return [Math.atan2(-r[7], r[4]), yaw, 0];
  return [Math.atan2(r[5], r[8]), yaw, Math.atan2(r[1], r[0])];
};

// Camera (3 x 4, by rows) from the model's frame to pixels of a photo, by pitch, yaw, roll, x, y, z, scale.
const cameraMatrix = (pose, height) => {
  const r = rotationMatrix(...pose.slice(0, 3)).map((value) => pose[6] * value);
  return [r[0], r[1], r[2], pose[3] - 1, -r[3], -r[4], -r[5], height - pose[4], r[6], r[7], r[8], pose[5]];
};
const transformPose = (pose, height, similarity, newHeight) => {
  const scale = scaleOf(similarity);
  const turned = multiply(rotationMatrix(0, 0, angleOf(similarity)), rotationMatrix(...pose.slice(0, 3)));
  const [x, y] = movePoint(similarity, [pose[3] - 1, height - pose[4]]);
  return [...eulerAngles(turned), x + 1, newHeight - y, scale * pose[5], scale * pose[6]];
};

// Unit quaternions (x, y, z, w).
const quaternionOf = (r) => {
  const trace = r[0] + r[4] + r[8];
  const largest = [r[0], r[4], r[8], trace].reduce((best, value, i, all) => (value > all[best] ? i : best), 0);
  let q;
  if (largest === 3) q = [r[7] - r[5], r[2] - r[6], r[3] - r[1], 1 + trace];
  else {
    const [i, j, k] = [largest, (largest + 1) % 3, (largest + 2) % 3];
    q = [0, 0, 0, r[3 * k + j] - r[3 * j + k]];
    q[i] = 1 - trace + 2 * r[4 * i];
    q[j] = r[3 * j + i] + r[3 * i + j];
    q[k] = r[3 * k + i] + r[3 * i + k];
  }
  const length = Math.hypot(...q);
  return q.map((value) => value / length);
};
const rotationOf = (quaternion) => {
  const length = Math.hypot(...quaternion);
  const [x, y, z, w] = quaternion.map((value) => value / length);
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ];
};

// Solve a x = b for a square matrix, an array of rows; both are overwritten.
const solve = (a, b) => {
  const count = b.length;
  for (let i = 0; i < count; i++) {
    let pivot = i;
    for (let row = i + 1; row < count; row++) if (Math.abs(a[row][i]) > Math.abs(a[pivot][i])) pivot = row;
    [a[i], a[pivot], b[i], b[pivot]] = [a[pivot], a[i], b[pivot], b[i]];
    for (let row = i + 1; row < count; row++) {
      const share = a[row][i] / a[i][i];
      if (!share) continue;
      for (let column = i; column < count; column++) a[row][column] -= share * a[i][column];
      b[row] -= share * b[i];
    }
  }
  for (let i = count - 1; i >= 0; i--) {
    for (let column = i + 1; column < count; column++) b[i] -= a[i][column] * b[column];
    b[i] /= a[i][i];
  }
  return b;
};

// Eigenvalues of a symmetric 3 x 3 matrix, the greatest first, and the vectors of each, by Jacobi's turns.
const eigen = (matrix) => {
  let [a, vectors] = [[...matrix], [1, 0, 0, 0, 1, 0, 0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++)
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[3 * p + q] === 0) continue;
      const angle = Math.atan2(2 * a[3 * p + q], a[4 * p] - a[4 * q]) / 2;
      const turn = [1, 0, 0, 0, 1, 0, 0, 0, 1];
      turn[4 * p] = turn[4 * q] = Math.cos(angle);
      turn[3 * p + q] = -Math.sin(angle);
      turn[3 * q + p] = Math.sin(angle);
      a = multiply(multiply([0, 3, 6, 1, 4, 7, 2, 5, 8].map((i) => turn[i]), a), turn);
      a[3 * p + q] = a[3 * q + p] = 0;
      vectors = multiply(vectors, turn);
    }
  const order = [0, 1, 2].sort((i, j) => a[4 * j] - a[4 * i]);
  return {values: order.map((i) => a[4 * i]), vectors: order.map((i) => [vectors[i], vectors[i + 3], vectors[i + 6]])};
};
