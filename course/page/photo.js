// A photo of a digit on paper: which pixels are ink? The same as `from_photo` in helpers/drawing.py.

const PHOTO_SIZE = 256; // the longer side of the photo that is looked at
const STROKE = 16; // twice this, in such pixels, is the widest stroke that counts as ink and not as a dark place
const MOST_MEGABYTES = 50;
const MOST_MEGAPIXELS = 100;

// The paper is what is left when everything thinner than a stroke is taken away, wherever that has three tenths
// of the brightest paper's light. Ink is what is darker than the paper right there, by a quarter: a shadow darkens both.
function fromPhoto(gray) {
  const longer = Math.max(gray.height, gray.width);
  if (longer > PHOTO_SIZE) {
    const [height, width] = [gray.height, gray.width].map((side) => Math.max(1, divide(PHOTO_SIZE * side, longer)));
    gray = resize(gray, height, width);
  }
  const { height, width } = gray;
  const smooth = boxSum(gray.pixels, height, width); // nine pixels each: a camera's noise
  const paper = withoutStrokes(smooth, height, width);
  const brightest = paper.reduce((a, b) => Math.max(a, b));
  const isInk = smooth.map((value, i) => (4 * value < 3 * paper[i] && 10 * paper[i] > 3 * brightest ? 1 : 0));
  const neighbors = boxSum(isInk, height, width);
  return { height, width, pixels: Uint8Array.from(neighbors, (count) => (count > 4 ? 255 : 0)) }; // without specks
}

// The sum over each pixel and its eight neighbors; beyond the edge, the edge is repeated.
function boxSum(pixels, height, width) {
  const sums = new Int32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let row = y - 1; row <= y + 1; row++) {
        for (let column = x - 1; column <= x + 1; column++) {
          const inside = Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1);
          sums[y * width + x] += pixels[inside];
        }
      }
    }
  }
  return sums;
}

// Bright spreads over everything thin, and then goes back to where it came from; dark strokes are gone.
// The frame is black, so that a strip of table at the edge is as dark as a wide one.
function withoutStrokes(pixels, height, width) {
  const frame = 2 * STROKE;
  const tall = height + 2 * frame, broad = width + 2 * frame;
  let framed = new Int32Array(tall * broad);
  for (let y = 0; y < height; y++) {
    framed.set(pixels.subarray(y * width, (y + 1) * width), (y + frame) * broad + frame);
  }
  framed = extremeAround(extremeAround(framed, tall, broad, Math.max), tall, broad, Math.min);
  const inside = { top: frame, bottom: frame + height, left: frame, right: frame + width };
  return crop({ height: tall, width: broad, pixels: framed }, inside).pixels;
}

// The largest or the smallest value within a stroke's reach up, down, left and right: one axis after the other.
function extremeAround(pixels, height, width, pick) {
  for (const [step, length, lines, stride] of [[1, width, height, width], [width, height, width, 1]]) {
    const result = new Int32Array(pixels.length);
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < length; i++) {
        let value = pixels[line * stride + i * step];
        for (let j = Math.max(0, i - STROKE); j <= Math.min(length - 1, i + STROKE); j++) {
          value = pick(value, pixels[line * stride + j * step]);
        }
        result[line * stride + i * step] = value;
      }
    }
    pixels = result;
  }
  return pixels;
}

// Read a file that somebody chose; throws an Error whose message is one line for them.
async function readPhoto(file) {
  const megabytes = file.size / 1e6;
  if (megabytes > MOST_MEGABYTES) {
    throw new Error(`“${file.name}” is ${Math.round(megabytes)} MB. Choose a photo of at most ${MOST_MEGABYTES} MB.`);
  }
  const unreadable = new Error(`“${file.name}” can't be read as a photo. Choose a JPEG or PNG file that opens elsewhere.`);
  const photo = new Image();
  photo.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      photo.onload = resolve;
      photo.onerror = () => reject(unreadable);
    });
    const megapixels = (photo.naturalWidth * photo.naturalHeight) / 1e6; // known before anything is unpacked
    if (megapixels > MOST_MEGAPIXELS) {
      const limit = `Choose one of at most ${MOST_MEGAPIXELS} megapixels.`;
      throw new Error(`“${file.name}” has ${Math.round(megapixels)} megapixels. ${limit}`);
    }
    await photo.decode().catch(() => { throw unreadable; });
    const ink = fromPhoto(grayValues(photo));
    if (!ink.pixels.some((value) => value)) {
      throw new Error(`No ink found in “${file.name}”. Write with a dark pen, and let light paper fill the photo.`);
    }
    return ink;
  } finally {
    URL.revokeObjectURL(photo.src);
  }
}

// A photo's brightness, at most four times as long and wide as what is looked at.
function grayValues(photo) {
  const scale = Math.min(1, (4 * PHOTO_SIZE) / Math.max(photo.naturalWidth, photo.naturalHeight));
  const [width, height] = [photo.naturalWidth, photo.naturalHeight].map((side) => Math.max(1, Math.round(scale * side)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // where a picture is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(photo, 0, 0, width, height);
  const colors = context.getImageData(0, 0, width, height).data;
  const pixels = Uint8Array.from({ length: height * width }, (_, i) =>
    Math.floor((299 * colors[4 * i] + 587 * colors[4 * i + 1] + 114 * colors[4 * i + 2]) / 1000));
  return { height, width, pixels };
}
