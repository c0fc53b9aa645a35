// Numbers as colors: blue for what is positive, orange for what is negative; the stronger, the larger.
// Zero is transparent, so that the page's own color, light or dark, is the color of nothing.

const POSITIVE = [38, 121, 214];
const NEGATIVE = [222, 108, 20];
const NEUTRAL = "#808085"; // to be seen on light and on dark

function colorOf(value, largest) {
  const [red, green, blue] = value < 0 ? NEGATIVE : POSITIVE;
  return [red, green, blue, largest ? Math.min(1, Math.abs(value) / largest) ** 0.8 : 0]; // a little more for the weak
}

// Paint maps side by side on a canvas, `columns` in a row, with a gray line of one pixel between them.
function paintMaps(canvas, values, size, columns, largest = Math.max(...values)) {
  const count = values.length / (size * size);
  const cell = size + 1;
  const width = cell * columns - 1, height = cell * Math.ceil(count / columns) - 1;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  new Uint32Array(image.data.buffer).fill(0x60808080);
  for (let i = 0; i < values.length; i++) {
    const { map, y, x } = unfold(i, size);
    const at = (cell * Math.floor(map / columns) + y) * width + cell * (map % columns) + x;
    const [red, green, blue, opacity] = colorOf(values[i], largest);
    image.data.set([red, green, blue, 255 * opacity], 4 * at);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Paint an image of gray values, 255 is ink.
function paintInk(canvas, { height, width, pixels }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  pixels.forEach((value, i) => { image.data[4 * i + 3] = value; });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Which map, row and column the place in a flat list of maps belongs to.
function unfold(place, size) {
  const map = Math.floor(place / (size * size));
  return { map, y: Math.floor(place / size) - map * size, x: place % size };
}

// Let somebody choose a pixel of maps painted by `paintMaps`: by pointing, by tapping, or by arrow keys.
// `chosen` is called with { map, y, x }; Page Up and Page Down go to another map.
function choosePixel(canvas, { size, count, columns, start, hover = true, chosen }) {
  const cell = size + 1;
  const width = cell * columns - 1, height = cell * Math.ceil(count / columns) - 1;
  let place = start;
  const choose = (next) => {
    place = next;
    chosen(place);
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    const down = ((event.clientY - box.top) / box.height) * height;
    const map = Math.floor(down / cell) * columns + Math.floor(across / cell);
    const x = Math.floor(across % cell), y = Math.floor(down % cell);
    if (across >= 0 && down >= 0 && map < count && x < size && y < size) choose({ map, y, x });
  };
  canvas.addEventListener("pointerdown", point);
  if (hover) canvas.addEventListener("pointermove", point);
  canvas.addEventListener("keydown", (event) => {
    const moves = { PageUp: [-1, 0, 0], PageDown: [1, 0, 0], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1] };
    if (!(event.key in moves)) return;
    const [map, y, x] = moves[event.key];
    const within = (value, most) => Math.min(most - 1, Math.max(0, value));
    choose({ map: within(place.map + map, count), y: within(place.y + y, size), x: within(place.x + x, size) });
    event.preventDefault();
  });
}

// Draw a frame around a pixel of a map painted by `paintMaps`.
function outline(canvas, { map, y, x }, size, columns) {
  const context = canvas.getContext("2d");
  const cell = size + 1;
  const [red, green, blue] = NEGATIVE;
  context.strokeStyle = `rgb(${red}, ${green}, ${blue})`;
  context.strokeRect(cell * (map % columns) + x - 0.5, cell * Math.floor(map / columns) + y - 0.5, 2, 2);
}

// A share from 0 to 1 in words.
function percent(share) {
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  return `${(100 * share).toFixed(share < 0.0995 || share > 0.9905 ? 1 : 0)} %`;
}

// A number with its sign, and a real minus.
function signed(value, digits = 2) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

// Fill a list with one bar for each class.
function showBars(list, probabilities, marked = argmax(probabilities)) {
  if (!list.children.length) {
    for (const name of DATA.classNames) {
      const row = document.createElement("li");
      row.innerHTML = '<span class="name"></span><span class="track"><span class="fill"></span></span><span class="value"></span>';
      row.querySelector(".name").textContent = name;
      list.append(row);
    }
  }
  probabilities.forEach((probability, i) => {
    const row = list.children[i];
    row.classList.toggle("top", i === marked);
    row.querySelector(".fill").style.width = `${100 * probability}%`;
    row.querySelector(".value").textContent = percent(probability);
  });
}
