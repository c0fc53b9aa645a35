// Look inside: the maps of both convolutions, the sums behind one pixel, the way from 320 numbers to the answer,
// and what the answer loses when a part of the image is covered.

const LOOK = {
  1: { size: 24, count: 10, columns: 5, inSize: 28, input: "input", maps: "maps1", layer: "conv_block.0", place: { map: 0, y: 11, x: 11 } },
  2: { size: 8, count: 20, columns: 5, inSize: 12, input: "pooled1", maps: "maps2", layer: "conv_block.3", place: { map: 0, y: 3, x: 3 } },
};
const COVER = 6; // pixels: the side of the square that covers a part of the image
const COVER_STEP = 2;

class Look {
  constructor(element) {
    this.element = element;
    this.answer = null; // the class whose sum is shown; null: the one that is read
    this.hidden = null;
    for (const number of [1, 2]) this.prepareMaps(number);
    const answers = element("answer-choice");
    DATA.classNames.forEach((name, i) => answers.add(new Option(name, i)));
    answers.addEventListener("change", () => {
      this.answer = answers.value === "" ? null : Number(answers.value);
      this.showWay();
    });
    const hidden = element("hidden-choice");
    for (let i = 0; i < 50; i++) hidden.add(new Option(`hidden number ${i}`, i));
    hidden.addEventListener("change", () => {
      this.hidden = hidden.value === "" ? null : Number(hidden.value);
      this.showWay();
    });
    element("way").addEventListener("pointerdown", (event) => this.pointAtWay(event));
  }

  prepareMaps(number) {
    const { size, count, columns, place } = LOOK[number];
    const chosen = (next) => {
      Object.assign(place, next);
      this.showMaps(number);
    };
    choosePixel(this.element(`maps${number}`), { size, count, columns, start: place, chosen });
    if (number === 2) {
      for (let i = 0; i < 10; i++) this.element("channel").add(new Option(`input map ${i}`, i));
      this.element("channel").addEventListener("change", () => this.showMaps(2));
    }
  }

  // Show the maps of an image, 784 gray values, that `weights` read with `result`.
  show(weights, image, result) {
    Object.assign(this, { weights, image, result });
    this.showMaps(1);
    this.showMaps(2);
  }

  showMaps(number) {
    const { size, columns, maps, place } = LOOK[number];
    const canvas = this.element(`maps${number}`);
    paintMaps(canvas, this.result[maps], size, columns);
    outline(canvas, place, size, columns);
    this.showSum(number);
  }

  // One pixel of a map: the window that it looked at, the kernel, the products, and what they add up to.
  showSum(number) {
    const { size, inSize, input, layer, place: { map, y, x } } = LOOK[number];
    const channels = number === 1 ? 1 : 10;
    const kernels = this.weights[`${layer}.weight`], bias = this.weights[`${layer}.bias`][map];
    const parts = Array.from({ length: channels }, (_, channel) => {
      const window = [], kernel = [];
      for (let row = 0; row < KERNEL; row++) {
        const pixel = (channel * inSize + y + row) * inSize + x;
        const weight = ((map * channels + channel) * KERNEL + row) * KERNEL;
        window.push(...this.result[input].subarray(pixel, pixel + KERNEL));
        kernel.push(...kernels.subarray(weight, weight + KERNEL));
      }
      const products = window.map((value, i) => value * kernel[i]);
      return { window, kernel, products, sum: products.reduce((a, b) => a + b) };
    });
    const channel = number === 1 ? 0 : Number(this.element("channel").value);
    const { window, kernel, products, sum } = parts[channel];
    fillTable(this.element(`window${number}`), window);
    fillTable(this.element(`kernel${number}`), kernel);
    fillTable(this.element(`products${number}`), products);
    const total = parts.reduce((all, part) => all + part.sum, 0);
    const kept = Math.max(0, total + bias).toFixed(2);
    const end = `with the bias ${signed(bias)}, that is ${signed(total + bias)}; ReLU keeps ${kept}.`;
    const where = `Map ${map}, row ${y}, column ${x}: `;
    this.element(`sum${number}`).textContent = number === 1
      ? `${where}the 25 products add up to ${signed(sum)}; ${end}`
      : `${where}these 25 products add up to ${signed(sum)}, those of all ten input maps to ${signed(total)}; ${end}`;
  }

  // 320 → 50 → 10: which hidden numbers speak for an answer, and which of the 320 speak for a hidden number.
  showWay() {
    const answer = this.answer ?? argmax(this.result.logits);
    const output = this.weights["fc_block.3.weight"].subarray(50 * answer, 50 * answer + 50);
    const toAnswer = output.map((weight, i) => weight * this.result.hidden[i]);
    const loudest = toAnswer.reduce((best, value, i) => (Math.abs(value) > Math.abs(toAnswer[best]) ? i : best), 0);
    const hidden = this.hidden ?? loudest;
    const input = this.weights["fc_block.0.weight"].subarray(320 * hidden, 320 * hidden + 320);
    const toHidden = input.map((weight, i) => weight * this.result.pooled2[i]);
    drawWay(this.element("way"), this.result, { answer, hidden, toAnswer, toHidden });

    const order = [...toAnswer.keys()].sort((a, b) => Math.abs(toAnswer[b]) - Math.abs(toAnswer[a]));
    const named = order.slice(0, 4).map((i) => `${signed(toAnswer[i])} from ${i}`).join(", ");
    const bias = this.weights["fc_block.3.bias"][answer];
    this.element("way-words").textContent =
      `For “${DATA.classNames[answer]}”, the hidden numbers that count most add ${named}. With the rest and the bias ` +
      `${signed(bias)}, the sum is ${signed(this.result.logits[answer])}. Hidden number ${hidden} is ` +
      `${this.result.hidden[hidden].toFixed(2)}; its weight for this answer is ${signed(output[hidden])}.`;
  }

  pointAtWay(event) {
    const box = event.target.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WAY.width;
    const y = ((event.clientY - box.top) / box.height) * WAY.height;
    const nearest = (points) => points.map(([px, py], i) => [Math.hypot(px - x, py - y), i]).sort((a, b) => a[0] - b[0])[0];
    const [farHidden, hidden] = nearest(WAY.hidden), [farAnswer, answer] = nearest(WAY.answers);
    if (Math.min(farHidden, farAnswer) > 30) return;
    const [choice, value] = farHidden < farAnswer ? ["hidden-choice", hidden] : ["answer-choice", answer];
    this.element(choice).value = value;
    this.element(choice).dispatchEvent(new Event("change"));
  }

  // Cover a square with paper, place by place, and read again. What counts is the answer's lead: its logit minus the
  // next best one's, since a probability that begins near 1 hardly moves. It takes 196 readings: some at a time, so
  // that the page stays quick. `isCurrent` tells whether the drawing is still the same.
  async showOcclusion(isCurrent) {
    const { weights, image, result } = this;
    const answer = argmax(result.probabilities);
    const side = IMAGE_SIZE / COVER_STEP;
    const losses = new Float32Array(side * side);
    let worst = { loss: -Infinity };
    const lead = (logits) => logits[answer] - Math.max(...logits.filter((_, i) => i !== answer));
    for (let i = 0; i < losses.length; i++) {
      const top = COVER_STEP * Math.floor(i / side) - COVER_STEP, left = COVER_STEP * (i % side) - COVER_STEP;
      const { logits, probabilities } = forward(weights, covered(image, top, left));
      losses[i] = lead(result.logits) - lead(logits);
      if (losses[i] > worst.loss) worst = { loss: losses[i], probabilities };
      if (i % 6 === 5) await new Promise((resolve) => setTimeout(resolve));
      if (!isCurrent()) return;
    }
    paintInk(this.element("occlusion-image"), { height: IMAGE_SIZE, width: IMAGE_SIZE, pixels: image });
    paintMaps(this.element("occlusion"), losses, side, 1, Math.max(1, ...losses.map(Math.abs)));
    const [name, before, after] = [DATA.classNames[answer], result.probabilities[answer], worst.probabilities[answer]];
    const then = argmax(worst.probabilities);
    this.element("occlusion-words").textContent =
      `Covered where it hurts most, “${name}” goes from ${percent(before)} to ${percent(after)}` +
      (then === answer ? "." : `, and the network reads “${DATA.classNames[then]}”.`);
  }
}

// The image with a square of paper on it.
function covered(image, top, left) {
  const copy = image.slice();
  for (let y = Math.max(0, top); y < Math.min(IMAGE_SIZE, top + COVER); y++) {
    for (let x = Math.max(0, left); x < Math.min(IMAGE_SIZE, left + COVER); x++) copy[y * IMAGE_SIZE + x] = 0;
  }
  return copy;
}

// A table of 5×5 numbers on their colors.
function fillTable(table, values) {
  while (table.rows.length < KERNEL) {
    const row = table.insertRow();
    for (let i = 0; i < KERNEL; i++) row.insertCell();
  }
  const largest = Math.max(...values.map(Math.abs));
  values.forEach((value, i) => {
    const cell = table.rows[Math.floor(i / KERNEL)].cells[i % KERNEL];
    cell.textContent = value.toFixed(1).replace("-0.0", "0.0").replace("-", "−");
    const [red, green, blue, opacity] = colorOf(value, largest);
    cell.style.backgroundColor = `rgba(${red}, ${green}, ${blue}, ${0.45 * opacity})`;
  });
}

// Where everything is in the picture of the way from 320 numbers to ten.
const WAY = {
  width: 620,
  height: 430,
  inputs: Array.from({ length: 320 }, (_, i) => {
    const { map, y, x } = unfold(i, 4);
    return [10 + 60 * Math.floor(map / 7) + 12 * x, 18 + 58 * (map % 7) + 12 * y];
  }),
  hidden: Array.from({ length: 50 }, (_, i) => [320 + 26 * (i % 2), 15 + 16.3 * Math.floor(i / 2) + 8 * (i % 2)]),
  answers: Array.from({ length: 10 }, (_, i) => [480, 25 + 42 * i]),
};

function drawWay(canvas, result, { answer, hidden, toAnswer, toHidden }) {
  const sharp = 2; // canvas pixels for each one of WAY
  Object.assign(canvas, { width: sharp * WAY.width, height: sharp * WAY.height });
  const context = canvas.getContext("2d");
  context.scale(sharp, sharp);
  const rgba = (value, largest) => {
    const [red, green, blue, opacity] = colorOf(value, largest);
    return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
  };
  const lines = (from, to, values) => {
    const largest = Math.max(...values.map(Math.abs));
    values.forEach((value, i) => {
      if (Math.abs(value) < 0.08 * largest || !largest) return;
      context.strokeStyle = rgba(value, largest);
      context.lineWidth = (4 * Math.abs(value)) / largest;
      context.beginPath();
      context.moveTo(...from[i]);
      context.lineTo(...to);
      context.stroke();
    });
  };
  lines(WAY.inputs, WAY.hidden[hidden], toHidden);
  lines(WAY.hidden, WAY.answers[answer], toAnswer);
  const erase = () => { // what is behind a circle or a square, so that the page's color shows, light, dark or on paper
    context.globalCompositeOperation = "destination-out";
    context.fillStyle = "black";
    context.fill();
    context.globalCompositeOperation = "source-over";
  };
  const dot = ([x, y], radius, value, largest, isChosen) => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    erase();
    context.fillStyle = rgba(value, largest);
    context.fill();
    context.strokeStyle = NEUTRAL;
    context.lineWidth = isChosen ? 2.5 : 0.5;
    context.stroke();
  };
  const largestInput = Math.max(...result.pooled2), largestHidden = Math.max(...result.hidden);
  WAY.inputs.forEach(([x, y], i) => {
    context.beginPath();
    context.rect(x - 5.5, y - 5.5, 11, 11);
    erase();
    context.fillStyle = rgba(result.pooled2[i], largestInput);
    context.fill();
    context.strokeStyle = NEUTRAL;
    context.lineWidth = 0.3;
    context.stroke();
  });
  WAY.hidden.forEach((at, i) => dot(at, 6.5, result.hidden[i], largestHidden, i === hidden));
  context.font = "20px system-ui, sans-serif";
  WAY.answers.forEach(([x, y], i) => {
    dot([x, y], 11, result.probabilities[i], 1, i === answer);
    context.fillStyle = NEUTRAL;
    context.fillText(DATA.classNames[i], x + 19, y + 7);
  });
}
