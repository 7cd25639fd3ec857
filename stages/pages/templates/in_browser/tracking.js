"use strict";

// A face followed through the frames of a camera: pipeline/photo/tracking.py and smoothing.py, for one face.

const smoothingFactor = (cutoff, seconds) => 1 / (1 + 1 / (2 * Math.PI * cutoff * seconds));

// One step of a One-Euro filter for each value; null before the first.
const oneEuro = (state, values, seconds, betas) => {
  if (!state) return {values, speed: values.map(() => 0)};
  const weight = smoothingFactor(KNOWN.D_CUTOFF, seconds);
  const speed = values.map((value, i) => weight * (value - state.values[i]) / seconds + (1 - weight) * state.speed[i]);
  const smooth = values.map((value, i) => {
    const share = smoothingFactor(KNOWN.MIN_CUTOFF + betas[i] * Math.abs(speed[i]), seconds);
    return share * value + (1 - share) * state.values[i];
  });
  return {values: smooth, speed};
};

// Smooth the turn as a quaternion, the scale as a logarithm, coefficients and points.
const smoothFace = (state, fit, mesh, seconds) => {
  let quaternion = quaternionOf(rotationMatrix(...fit.pose.slice(0, 3)));
  if (state && dot(quaternion, state.values.slice(0, 4)) < 0) quaternion = quaternion.map((value) => -value);
  const values = [...quaternion, ...fit.pose.slice(3, 6), Math.log(fit.pose[6]), ...fit.units, ...mesh];
  const size = sizeOf(mesh);
  const betas = values.map((_, i) => {
    const unit = i < 4 || i === 7 ? 1 : i >= 8 && i < 8 + fit.units.length ? KNOWN.SIGMAS : size;
    return KNOWN.BETA / unit;
  });
  state = oneEuro(state, values, seconds, betas);
  const smooth = state.values;
  const pose = [...eulerAngles(rotationOf(smooth.slice(0, 4))), ...smooth.slice(4, 7), Math.exp(smooth[7])];
  const units = smooth.slice(8, 8 + fit.units.length);
  return {state, fit: {...fit, pose, units}, mesh: Float64Array.from(smooth.slice(8 + fit.units.length))};
};

// Find and fit the face of the next frame: a track {face, time, smooth} and what is seen, or nulls where none is.
const nextFrame = async (face, networks, photo, time, track) => {
  const levels = halvings(photo);
  let found = track && await follow(levels, meshRegion(track.face.mesh), networks);
  let smooth = track?.smooth ?? null;
  if (!found || found.presence < KNOWN.MIN_PRESENCE) {
    [found, smooth] = [null, null];
    for (const kind of Object.keys(KNOWN.CELLS)) {
      if (found) break;
      for (const each of await detect(levels, wholeRegion(photo), kind, networks)) {
        const seen = await follow(levels, regionOf(each), networks, each.score, each.keypoints);
        const larger = Math.max(seen.box[2], seen.box[3]) >= KNOWN.MIN_SIDE && (!found || sideOf(seen) > sideOf(found));
        if (isPresent(seen) && larger) found = seen;
      }
    }
    if (!found) return {track: null, result: null};
  }
  const {height} = photo;
  let fit = fitPoints(face, found.mesh, null, height, smooth ? track.fit : null);
  const fitted = fit;
  fit = turnFurther(face, fit, found.mesh, null, height);
  const step = smoothFace(smooth, fit, found.mesh, smooth ? Math.max(time - track.time, 1e-3) : 1);
  const {vertices} = correct(face, step.fit, step.mesh, null, height);
  const result = {
    vertices: spreadOut(face, vertices), landmarks: readMesh(face, step.mesh), pose: step.fit.pose, doubt: "", fit: step.fit,
    box: found.box, presence: found.presence,
  };
  return {track: {face: found, time, fit: fitted, smooth: step.state}, result};
};
