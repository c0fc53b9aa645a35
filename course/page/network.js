// The network of helpers/model.py, layer by layer.
// Maps are flat lists of numbers: one map after the other, each row by row.

// The whole way: 784 gray values from 0 to 255 in, ten probabilities out, and everything on the way there.
function forward(weights, image) {
  const input = normalize(image);                                                                   //  1 × 28 × 28
  const maps1 = relu(convolve(input, 28, weights["conv_block.0.weight"], weights["conv_block.0.bias"])); // 10 × 24 × 24
  const pooled1 = maxPool(maps1, 24);                                                               // 10 × 12 × 12
  const maps2 = relu(convolve(pooled1, 12, weights["conv_block.3.weight"], weights["conv_block.3.bias"])); // 20 × 8 × 8
  const pooled2 = maxPool(maps2, 8);                                                                // 20 × 4 × 4 = 320
  const hidden = relu(linear(pooled2, weights["fc_block.0.weight"], weights["fc_block.0.bias"]));   // 50
  const logits = linear(hidden, weights["fc_block.3.weight"], weights["fc_block.3.bias"]);          // 10
  return { input, maps1, pooled1, maps2, pooled2, hidden, logits, probabilities: softmax(logits) };
}

const KERNEL = 5; // pixels: the side of each kernel

// Gray values from 0 to 255 become numbers with mean 0 and standard deviation 1, over the training images.
function normalize(image) {
  return Float32Array.from(image, (gray) => (gray / 255 - DATA.mean) / DATA.std);
}

// Slide each kernel over all the input's maps: multiply the 5×5 window by the kernel, add up, add the bias.
function convolve(input, size, kernels, biases) {
  const channels = input.length / (size * size);
  const outSize = size - KERNEL + 1;
  const output = new Float32Array(biases.length * outSize * outSize);
  for (let map = 0; map < biases.length; map++) {
    for (let y = 0; y < outSize; y++) {
      for (let x = 0; x < outSize; x++) {
        let sum = biases[map];
        for (let channel = 0; channel < channels; channel++) {
          for (let row = 0; row < KERNEL; row++) {
            const pixel = (channel * size + y + row) * size + x;
            const weight = ((map * channels + channel) * KERNEL + row) * KERNEL;
            for (let column = 0; column < KERNEL; column++) {
              sum += input[pixel + column] * kernels[weight + column];
            }
          }
        }
        output[(map * outSize + y) * outSize + x] = sum;
      }
    }
  }
  return output;
}

// What is negative becomes 0.
function relu(values) {
  return values.map((value) => Math.max(0, value));
}

// Of each 2×2 pixels, keep the largest: maps half as wide and half as high.
function maxPool(maps, size) {
  const half = size / 2;
  const output = new Float32Array(maps.length / 4);
  for (let i = 0; i < output.length; i++) {
    const column = i % half, row = Math.floor(i / half); // rows are counted on through all maps
    const corner = 2 * row * size + 2 * column;
    output[i] = Math.max(maps[corner], maps[corner + 1], maps[corner + size], maps[corner + size + 1]);
  }
  return output;
}

// Each output is a sum over all inputs, each times a weight of its own, and a bias.
function linear(inputs, weights, biases) {
  return biases.map((bias, output) => {
    let sum = bias;
    for (let i = 0; i < inputs.length; i++) sum += inputs[i] * weights[output * inputs.length + i];
    return sum;
  });
}

// Ten numbers of any size become ten probabilities: all positive, together 1.
function softmax(logits) {
  const largest = Math.max(...logits); // subtracted first, since e to the power of 1000 is too large for a computer
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// The place of the largest value.
function argmax(values) {
  return values.indexOf(Math.max(...values));
}
