"use strict";

// The networks, by ONNX Runtime in WebAssembly, on one thread.

// What `see` gave, as numbers of a network.
const toNumbers = (pixels, scale, offset) => {
  const numbers = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) numbers[i] = Math.fround(pixels[i] / scale) + offset;
  return numbers;
};

// Open a network of one square photo: run() gives its outputs, arrays of numbers, the longest first.
const openNetwork = async (content, size) => {
  const session = await ort.InferenceSession.create(content, {graphOptimizationLevel: "all"});
  const run = async (numbers) => {
    const outputs = await session.run({photo: new ort.Tensor("float32", numbers, [1, size, size, 3])});
    return session.outputNames.map((name) => outputs[name].data).sort((a, b) => b.length - a.length);
  };
  return {run, size};
};

const startRuntime = async (loader, binary) => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.wasmPaths = {mjs: URL.createObjectURL(new Blob([loader], {type: "text/javascript"}))};
};
