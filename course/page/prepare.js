// From a drawing to 28×28 pixels, as MNIST was made; the same as helpers/drawing.py, to the last gray value.
// An image is { height, width, pixels }, its pixels from 0 (paper) to 255 (ink), row by row.

const IMAGE_SIZE = 28;
const BOX_SIZE = 20;

// Whole numbers divided and rounded; a half goes up.
function divide(number, by) {
  return Math.floor((2 * number + by) / (2 * by));
}

function emptyImage(height, width) {
  return { height, width, pixels: new Uint8Array(height * width) };
}

function prepare(ink, { cut, fit, center }) {
  const paperSize = Math.max(ink.height, ink.width);
  if (cut) ink = crop(ink, boundingBox(ink));
  const inkSize = Math.max(ink.height, ink.width);
  const longer = fit ? BOX_SIZE : Math.max(1, divide(IMAGE_SIZE * inkSize, paperSize));
  const [height, width] = [ink.height, ink.width].map((side) => Math.max(1, divide(longer * side, inkSize)));
  return place(resize(ink, height, width), center);
}

// The smallest box around all ink; all of the paper if there is none.
function boundingBox({ height, width, pixels }) {
  let top = height, bottom = 0, left = width, right = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (pixels[y * width + x] === 0) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  return bottom ? { top, bottom, left, right } : { top: 0, bottom: height, left: 0, right: width };
}

function crop(image, { top, bottom, left, right }) {
  const [height, width] = [bottom - top, right - left];
  const pixels = new image.pixels.constructor(height * width);
  for (let y = top; y < bottom; y++) {
    pixels.set(image.pixels.subarray(y * image.width + left, y * image.width + right), (y - top) * width);
  }
  return { height, width, pixels };
}

// Each new pixel is the mean of the area that it covers, so that no thin stroke gets lost.
function resize(image, height, width) {
  const rows = overlaps(image.height, height), columns = overlaps(image.width, width);
  const scaled = emptyImage(height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [oldY, tall] of rows[y]) {
        for (const [oldX, wide] of columns[x]) sum += tall * wide * image.pixels[oldY * image.width + oldX];
      }
      scaled.pixels[y * width + x] = divide(sum, image.height * image.width);
    }
  }
  return scaled;
}

// For each new pixel, which old ones it covers, and how much of each. Count in steps so small that both fit:
// a line of `before` pixels, each `after` steps long, is as long as `after` pixels, each `before` steps long.
function overlaps(before, after) {
  return Array.from({ length: after }, (_, pixel) => {
    const start = pixel * before, end = start + before;
    const covered = [];
    for (let old = Math.floor(start / after); old * after < end; old++) {
      covered.push([old, Math.min(end, (old + 1) * after) - Math.max(start, old * after)]);
    }
    return covered;
  });
}

// Onto 28×28 pixels: the center of mass goes to the middle, pixel 14, or else the image's own middle does.
function place({ height, width, pixels }, center) {
  let mass = 0, massY = 0, massX = 0;
  pixels.forEach((value, i) => {
    mass += value;
    massY += value * Math.floor(i / width);
    massX += value * (i % width);
  });
  let top = Math.floor((IMAGE_SIZE - height) / 2), left = Math.floor((IMAGE_SIZE - width) / 2);
  if (center && mass) {
    top = IMAGE_SIZE / 2 - divide(massY, mass);
    left = IMAGE_SIZE / 2 - divide(massX, mass);
  }
  const image = emptyImage(IMAGE_SIZE, IMAGE_SIZE);
  pixels.forEach((value, i) => {
    const y = top + Math.floor(i / width), x = left + (i % width);
    if (y >= 0 && y < IMAGE_SIZE && x >= 0 && x < IMAGE_SIZE) image.pixels[y * IMAGE_SIZE + x] = value;
  });
  return image;
}
