"use strict";

// Pose and coefficients of the face model that make points most probable: pipeline/face/fit.py.
//
// A model is {mean, basis, count, vectors}: points by axes, and for each vector as much; its coefficients are in units
// of the prior's sigma from its mean. A fit is {pose, units, residual}: pitch, yaw, roll, x, y, z, scale; coefficients;
// root mean square distance in px.

const POSE = 7;

// The model's points, turned and scaled.
const turnedPoints = (model, {rotation, scale, units}) => {
  const {count} = model;
  const face = deformed(model, units);
  const r = rotation.map((value) => scale * value);
  for (let k = 0; k < count; k++) {
    const [x, y, z] = [face[k], face[count + k], face[2 * count + k]];
    face[k] = r[0] * x + r[1] * y + r[2] * z;
    face[count + k] = r[3] * x + r[4] * y + r[5] * z;
    face[2 * count + k] = r[6] * x + r[7] * y + r[8] * z;
  }
  return face;
};
const deformed = ({mean, basis, count}, units) => {
  const face = Float64Array.from(mean);
  units.forEach((unit, p) => {
    if (!unit) return;
    for (let i = 0, from = 3 * count * p; i < 3 * count; i++, from++) face[i] += unit * basis[from];
  });
  return face;
};

// Place the vertices of a model by a fit: by axes, in px of the photo.
const place = (model, fit, height) => {
  const {count} = model;
  const [face, c] = [deformed(model, fit.units), cameraMatrix(fit.pose, height)];
  for (let k = 0; k < count; k++) {
    const [x, y, z] = [face[k], face[count + k], face[2 * count + k]];
    for (let axis = 0; axis < 3; axis++)
      face[axis * count + k] = c[4 * axis] * x + c[4 * axis + 1] * y + c[4 * axis + 2] * z + c[4 * axis + 3];
  }
  return face;
};

const residualsOf = ({points, roots, model}, {translation}, turned) => {
  const residuals = new Float64Array(points.length);
  for (let axis = 0, i = 0; axis < 3; axis++)
    for (let k = 0; k < model.count; k++, i++) residuals[i] = roots[i] * (points[i] - turned[i] - translation[axis]);
  return residuals;
};
const squares = (values) => values.reduce((sum, value) => sum + value * value, 0);

// Derivatives of the placed points, divided by sigma, by the steps of `moved`: an array for each step.
const jacobianOf = ({model, roots}, {rotation, scale}, turned) => {
  const {count, basis, vectors} = model;
  const rows = Array.from({length: POSE + vectors}, () => new Float64Array(3 * count));
  const r = rotation.map((value) => scale * value);
  for (let k = 0; k < count; k++) {
    const [y, z] = [count + k, 2 * count + k];
    rows[0][y] = -turned[z];
    rows[0][z] = turned[y];
    rows[1][k] = turned[z];
    rows[1][z] = -turned[k];
    rows[2][k] = -turned[y];
    rows[2][y] = turned[k];
    rows[4][k] = rows[5][y] = rows[6][z] = 1;
    for (let p = 0, from = k; p < vectors; p++, from += 3 * count) {
      const [a, b, c] = [basis[from], basis[from + count], basis[from + 2 * count]];
      const row = rows[POSE + p];
      row[k] = r[0] * a + r[1] * b + r[2] * c;
      row[y] = r[3] * a + r[4] * b + r[5] * c;
      row[z] = r[6] * a + r[7] * b + r[8] * c;
    }
  }
  rows[3].set(turned);
  for (const row of rows) for (let i = 0; i < row.length; i++) row[i] *= roots[i];
  return rows;
};
const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

// Turn by the vector step[0..2] (Cayley's map) after the rotation, scale by exp(step[3]), and add the others.
const moved = ({rotation, scale, translation, units}, step) => {
  const [a, b, c] = [step[0] / 2, step[1] / 2, step[2] / 2];
  const cross = [0, -c, b, c, 0, -a, -b, a, 0];
  const [twice, share] = [multiply(cross, cross), 2 / (1 + a * a + b * b + c * c)];
  const turn = cross.map((value, i) => (i % 4 === 0 ? 1 : 0) + share * (value + twice[i]));
  return {
    rotation: multiply(turn, rotation),
    scale: scale * Math.exp(step[3]),
    translation: translation.map((value, axis) => value + step[4 + axis]),
    units: units.map((value, p) => value + step[POSE + p]),
  };
};

// Levenberg and Marquardt's method: the least cost, and where it is; no round makes it greater.
const minimise = (problem, state, rounds) => {
  let [turned, damping] = [turnedPoints(problem.model, state), KNOWN.FIRST_DAMPING];
  let residuals = residualsOf(problem, state, turned);
  let cost = squares(residuals) + squares(state.units);
  for (let round = 0; round < rounds; round++) {
    const jacobian = jacobianOf(problem, state, turned);
    const gradient = jacobian.map((row, i) => dot(row, residuals) - (i < POSE ? 0 : state.units[i - POSE]));
    const curvature = jacobian.map(() => new Float64Array(jacobian.length));
    jacobian.forEach((row, i) => {
      for (let j = 0; j <= i; j++) curvature[i][j] = curvature[j][i] = dot(row, jacobian[j]);
      if (i >= POSE) curvature[i][i] += 1;
    });
    const scales = curvature.map((row, i) => (row[i] > 0 ? Math.sqrt(row[i]) : 1));
    curvature.forEach((row, i) => row.forEach((_, j) => { row[j] /= scales[i] * scales[j]; }));
    curvature.forEach((row, i) => { row[i] += damping; });
    const step = solve(curvature, gradient.map((value, i) => value / scales[i])).map((value, i) => value / scales[i]);
    const far = Math.max(1, ...step.slice(0, 4).map((value) => Math.abs(value) / KNOWN.LONGEST_TURN));
    const trial = moved(state, step.map((value) => value / far));
    const trialTurned = turnedPoints(problem.model, trial);
    const trialResiduals = residualsOf(problem, trial, trialTurned);
    const trialCost = squares(trialResiduals) + squares(trial.units);
    if (trialCost < cost) {
      [state, turned, residuals, cost] = [trial, trialTurned, trialResiduals, trialCost];
      damping /= KNOWN.DAMPING_STEP;
    } else damping *= KNOWN.DAMPING_STEP;
    if (dot(gradient, step) / far < KNOWN.SMALL_GAIN) break;
  }
  return {cost, state};
};

// The two cameras that lay the principal plane of the model's mean over the points.
const startsOf = ({model, points, roots}) => {
  const {count, mean, vectors} = model;
  const weighted = new Float64Array(3 * count);
  const root = Float64Array.from({length: count}, (_, k) => Math.min(roots[k], roots[count + k]));
  for (let i = 0; i < 3 * count; i++) weighted[i] = mean[i] * root[i % count];
  const plane = (axis) => weighted.subarray(axis * count, (axis + 1) * count);
  const {values, vectors: axes} = eigen(Array.from({length: 9}, (_, i) => dot(plane(Math.floor(i / 3)), plane(i % 3))));
  const extents = values.map((value) => Math.sqrt(Math.max(value, 0)));
  // Of each of the two longest axes, where it comes to in the photo: a 2 x 2 matrix by rows.
  const image = [0, 1].flatMap((row) => [0, 1].map((column) => {
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const along = axes[column].reduce((total, value, axis) => total + value * weighted[axis * count + k], 0);
      sum += points[row * count + k] * root[k] * along;
    }
    return sum / extents[column] ** 2;
  }));
  // Its singular value decomposition, by two angles.
  const [e, f, g, h] = [image[0] + image[3], image[0] - image[3], image[2] + image[1], image[2] - image[1]];
  const [q, r, one, two] = [Math.hypot(e, h) / 2, Math.hypot(f, g) / 2, Math.atan2(g, f), Math.atan2(h, e)];
  const [left, right] = [(two + one) / 2, (two - one) / 2];
  const [scale, signed] = [q + r, q - r];
  const cosine = signed / scale;
  const sine = Math.sqrt(Math.max(1 - cosine ** 2, 0));
  const [cl, sl, cr, sr] = [Math.cos(left), Math.sin(left), Math.cos(right), Math.sin(right)];
  const inner = [[cr, -sr], [cosine * sr, cosine * cr]];
  return [sine, -sine].map((side) => {
    const rows = [[...inner[0], 0], [...inner[1], side]];
    const [first, second] = [[cl, -sl], [sl, cl]].map((turn) => [0, 1, 2].map((axis) =>
      [0, 1, 2].reduce((sum, j) => sum + (turn[0] * rows[0][j] + turn[1] * rows[1][j]) * axes[j][axis], 0)));
    const third = [0, 1, 2].map((i) => {
      const [j, k] = [(i + 1) % 3, (i + 2) % 3];
      return first[j] * second[k] - first[k] * second[j];
    });
    return {rotation: [...first, ...second, ...third], scale, translation: [0, 0, 0], units: new Array(vectors).fill(0)};
  });
};

// About a hundred of the seen points, which are spread over the others as these are numbered.
const somePoints = ({model, points, roots}) => {
  const {count, mean, basis, vectors} = model;
  const seen = Array.from({length: count}, (_, k) => k).filter((k) => roots[k] && roots[count + k]);
  const step = Math.max(1, Math.floor(seen.length / KNOWN.TRIAL_POINTS));
  const kept = seen.filter((_, i) => i % step === 0);
  const take = (values, blocks) => {
    const taken = new Float64Array(blocks * kept.length);
    for (let block = 0; block < blocks; block++)
      kept.forEach((k, i) => { taken[block * kept.length + i] = values[block * count + k]; });
    return taken;
  };
  return {
    model: {mean: take(mean, 3), basis: take(basis, 3 * vectors), count: kept.length, vectors},
    points: take(points, 3),
    roots: take(roots, 3),
  };
};

// Fit the model to points (by axes, px, y down); `roots` are 1 / sigma of each, 0 where it is not seen. `start` is a
// fit to nearly the same points, from which this one is found sooner.
const fitFace = (model, points, roots, height, start = null) => {
  const {count, mean, vectors} = model;
  const [target, shift, centre] = [new Float64Array(3 * count), [0, 0, 0], [0, 0, 0]];
  for (let axis = 0; axis < 3; axis++) {
    let [weights, modelWeights] = [0, 0];
    for (let k = 0, i = axis * count; k < count; k++, i++) {
      if (roots[i]) target[i] = axis === 0 ? points[i] + 1 : axis === 1 ? height - points[i] : points[i];
      shift[axis] += target[i] * roots[i] ** 2;
      weights += roots[i] ** 2;
      const weight = Math.min(roots[k], roots[count + k]) ** 2;
      centre[axis] += mean[i] * weight;
      modelWeights += weight;
    }
    shift[axis] /= weights;
    centre[axis] /= modelWeights;
  }
  const about = (values, middle) => values.map((value, i) => value - middle[Math.floor(i / count)]);
  const problem = {model: {...model, mean: about(mean, centre)}, points: about(target, shift), roots};
  let state;
  if (start) {
    const rotation = rotationMatrix(...start.pose.slice(0, 3));
    state = {rotation, scale: start.pose[6], translation: [0, 0, 0], units: start.units};
  } else {
    const some = somePoints(problem);
    const tried = startsOf(problem).map((each) => minimise(some, each, KNOWN.TRIAL_ROUNDS));
    state = (tried[1].cost < tried[0].cost ? tried[1] : tried[0]).state;
  }
  ({state} = minimise(problem, state, KNOWN.ROUNDS));
  const {rotation, scale, units} = state;
  const translation = state.translation.map((value, axis) =>
    value - scale * dot(rotation.slice(3 * axis, 3 * axis + 3), centre) + shift[axis]);
  const misses = residualsOf(problem, state, turnedPoints(problem.model, state)).subarray(0, 2 * count);
  const residual = Math.sqrt(2 * squares(misses) / squares(roots.subarray(0, 2 * count)));
  return {pose: [...eulerAngles(rotation), ...translation, scale], units, residual, vectors};
};
