"use strict";

// Photos, and squares of them as networks see them: pipeline/crops/alignment.py and blaze_face.py.
//
// A photo is {data, width, height}, data being 4 bytes a pixel, red first. Pixel centres are at integers.

// Halve a photo again and again; each pixel is the mean of four, and a last odd one is left out.
const halvings = (photo) => {
  const levels = [photo];
  for (;;) {
    const last = levels[levels.length - 1];
    if (Math.max(last.width, last.height) <= KNOWN.SMALLEST_LEVEL || Math.min(last.width, last.height) < 2) return levels;
    const [width, height] = [last.width >> 1, last.height >> 1];
    const [data, source, stride] = [new Uint8ClampedArray(4 * width * height), last.data, 4 * last.width];
    for (let y = 0, to = 0; y < height; y++)
      for (let x = 0, from = 2 * y * stride; x < width; x++, from += 8, to += 4)
        for (let channel = 0; channel < 3; channel++) {
          const at = from + channel;
          data[to + channel] = (source[at] + source[at + 4] + source[at + stride] + source[at + stride + 4] + 2) >> 2;
        }
    levels.push({data, width, height});
  }
};

// Similarity that turns a square of the photo upright: its centre comes to (size - 1) / 2.
const cropSimilarity = (centre, side, roll, size) =>
  makeSimilarity((size - 1) / side, -roll, centre, [(size - 1) / 2, (size - 1) / 2]);

// Nearest whole number, of two the even one.
const nearest = (value) => {
  const upper = Math.floor(value + 0.5);
  return upper - value === 0.5 && upper % 2 ? upper - 1 : upper;
};

// Resample a photo by a similarity, bilinear and black outside: (size x size x 3) bytes, red first. Where it is made
// smaller, each pixel is the mean of a grid of samples, about one for each pixel of the photo that it covers.
//
// It is rounded where OpenCV rounds, to single precision: Face Mesh moves by a half pixel where what it sees is moved by
// a fiftieth.
const resample = (photo, similarity, size) => {
  const samples = Math.max(1, Math.round(1 / scaleOf(similarity)));
  const middle = (samples - 1) / 2;
  const back = inverse(after(makeSimilarity(samples, 0, [0, 0], [middle, middle]), similarity));
  const single = Math.fround;
  const [c, s, left, top] = [back.c, back.s, back.x, back.y].map(single);
  const [side, {data, width, height}] = [samples * size, photo];
  const sums = samples === 1 ? null : new Uint32Array(3 * size * size);
  const pixels = new Uint8ClampedArray(3 * size * size);
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height;
  for (let row = 0; row < side; row++) {
    const [startX, startY] = [single(single(-s * row) + left), single(single(c * row) + top)];
    for (let column = 0; column < side; column++) {
      const [x, y] = [single(c * column + startX), single(s * column + startY)];
      const [x0, y0] = [Math.floor(x), Math.floor(y)];
      if (x0 < -1 || y0 < -1 || x0 >= width || y0 >= height) continue;
      const [u, v] = [x - x0, y - y0];
      const from = 4 * (y0 * width + x0);
      const to = 3 * (samples === 1 ? row * size + column
        : Math.floor(row / samples) * size + Math.floor(column / samples));
      const whole = x0 >= 0 && y0 >= 0 && x0 + 1 < width && y0 + 1 < height;
      for (let channel = 0; channel < 3; channel++) {
        const at = from + channel;
        let a, b, d, e;
        if (whole) [a, b, d, e] = [data[at], data[at + 4], data[at + 4 * width], data[at + 4 * width + 4]];
        else {
          a = inside(x0, y0) ? data[at] : 0;
          b = inside(x0 + 1, y0) ? data[at + 4] : 0;
          d = inside(x0, y0 + 1) ? data[at + 4 * width] : 0;
          e = inside(x0 + 1, y0 + 1) ? data[at + 4 * width + 4] : 0;
        }
        const [upper, lower] = [single(a + u * (b - a)), single(d + u * (e - d))];
        const value = nearest(single(upper + v * (lower - upper)));
        if (sums) sums[to + channel] += value;
        else pixels[to + channel] = value;
      }
    }
  }
  if (sums) for (let i = 0; i < sums.length; i++) pixels[i] = samples === 2 ? (sums[i] + 2) >> 2 : nearest(sums[i] / samples ** 2);
  return pixels;
};

// Resample a region {centre, side, roll} of a photo, which `halvings` made, to a square; and the similarity of that.
const see = (levels, region, size) => {
  const similarity = cropSimilarity(region.centre, region.side, region.roll, size);
  const level = Math.min(Math.floor(Math.max(Math.log2(region.side / size), 0)), levels.length - 1);
  const [factor, offset] = [2 ** level, (2 ** level - 1) / 2];
  const seen = resample(levels[level], after(similarity, makeSimilarity(factor, 0, [0, 0], [offset, offset])), size);
  return {seen, similarity};
};
