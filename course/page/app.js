// The page: the pad on one side, what reads and shows it on the other.

performance.mark("script starts");
const element = (id) => document.getElementById(id);
const DATA = JSON.parse(element("data").textContent);
const SWITCHES = ["cut", "fit", "center"];
const REST = 250; // milliseconds without a change after which the slower pictures are drawn
const SILENCE = 900; // milliseconds after which a screen reader is told

// Bytes from base64: numbers of four bytes, or of one.
function fromBase64(text, Type) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Type(bytes.buffer);
}

const AGES = DATA.epochs.length;
const unpacked = [];

// The weights at an age, by name, from 0 to AGES - 1; unpacked when they are first asked for.
function weightsAt(age) {
  if (!unpacked[age]) {
    const isLast = age === AGES - 1;
    const text = isLast ? DATA.trained : element(`age${age}`).textContent;
    const numbers = fromBase64(text, Float32Array);
    let start = 0;
    unpacked[age] = Object.fromEntries(DATA.layout.map(([name, count]) => [name, numbers.subarray(start, (start += count))]));
  }
  return unpacked[age];
}

const trained = weightsAt(AGES - 1);
let heard = 0;

function announce(words) {
  element("live").textContent = words;
}

// What goes to a screen reader waits until nothing has changed for a while.
function announceLater(words) {
  clearTimeout(heard);
  heard = setTimeout(() => announce(words), SILENCE);
}

function complain(words) {
  element("problem").textContent = words;
}

const switches = () => Object.fromEntries(SWITCHES.map((name) => [name, element(name).checked]));

// What the network gets of the drawing on the pad, and what it answers.
function read(ink = pad.ink) {
  const steps = switches();
  const stages = [
    prepare(ink, { cut: false, fit: false, center: false }),
    prepare(ink, { ...steps, fit: false, center: false }),
    prepare(ink, { ...steps, center: false }),
    prepare(ink, steps),
  ];
  const image = stages[3].pixels;
  return { stages, image, isEmpty: !image.some((value) => value), result: forward(trained, image) };
}

let scheduled = false;
let resting = 0;
let version = 0; // of the drawing: work on an older one is dropped

// At most once for each picture that the screen shows.
function changed() {
  if (scheduled || !look) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    update();
  });
}

function update() {
  const reading = read();
  version += 1;
  showAnswer(reading);
  reading.stages.forEach((stage, i) => paintInk(element(`stage${i}`), stage));
  look.show(trained, reading.image, reading.result);
  clearTimeout(resting);
  resting = setTimeout(() => rest(reading, version), REST);
}

function rest({ stages, image, isEmpty }, of) {
  const raw = forward(trained, stages[0].pixels).probabilities, best = argmax(raw);
  element("raw-words").textContent = isEmpty ? "" :
    `Without any of the three steps, it would read “${DATA.classNames[best]}”, ${percent(raw[best])}.`;
  look.showWay();
  learn.show(image);
  look.showOcclusion(() => of === version);
}

function showAnswer({ isEmpty, result }) {
  const best = argmax(result.probabilities), name = DATA.classNames[best];
  showBars(element("bars"), result.probabilities, isEmpty ? -1 : best);
  element("bars").classList.toggle("nothing", isEmpty);
  element("answer").textContent = isEmpty ? "–" : name;
  const sure = percent(result.probabilities[best]);
  const words = isEmpty
    ? `Nothing drawn yet. The network can't say so: it calls empty paper “${name}”, ${sure}.`
    : `It reads “${name}”, ${sure}.`;
  element("answer-words").textContent = words;
  announceLater(words);
}

function showTest(number) {
  const size = IMAGE_SIZE * IMAGE_SIZE;
  const pixels = DATA.images.subarray(size * number, size * (number + 1));
  complain("");
  pad.show(resize({ height: IMAGE_SIZE, width: IMAGE_SIZE, pixels }, PAD_SIZE, PAD_SIZE));
  element("test-words").textContent = `Test image ${DATA.places[number]}; its label is “${DATA.classNames[DATA.labels[number]]}”.`;
}

async function openPhoto(file) {
  complain("");
  element("test-words").textContent = "";
  try {
    pad.show(await readPhoto(file));
  } catch (problem) {
    complain(problem.message);
    announce(problem.message);
  }
}

let look = null, learn = null;
const pad = new Pad(element("pad"), element("cursor"), { changed, told: announce });
showAnswer(read(emptyImage(1, 1))); // as the pad is, but quicker to prepare
performance.mark("first answer");
// After the browser has read the page to its end, and shown it for the first time.
document.addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(furnish)));

// All that can wait.
function furnish() {
  DATA.images = fromBase64(element("images").textContent, Uint8Array);
  DATA.quiz.images = fromBase64(element("quiz-images").textContent, Uint8Array);
  look = new Look(element);
  learn = new Learn(element, weightsAt, announce);
  new Quiz(element, (image) => forward(trained, image).probabilities);

  element("undo").addEventListener("click", () => pad.undo());
  element("clear").addEventListener("click", () => {
    complain("");
    element("test-words").textContent = "";
    pad.clear();
  });
  element("brush").addEventListener("input", () => { pad.brush = Number(element("brush").value); });
  element("photo").addEventListener("change", () => {
    const [file] = element("photo").files;
    element("photo").value = ""; // so that the same file can be chosen again
    if (file) openPhoto(file);
  });
  for (const name of SWITCHES) element(name).addEventListener("change", changed);

  element("tests-shown").addEventListener("toggle", () => { // not before: it is the largest picture
    paintMaps(element("tests"), Float32Array.from(DATA.images), IMAGE_SIZE, 10);
  }, { once: true });
  const tens = { size: 10, count: 1, columns: 1, start: { map: 0, y: 0, x: 0 }, hover: false }; // ten rows of ten images
  choosePixel(element("tests"), { ...tens, chosen: ({ y, x }) => showTest(10 * y + x) });
  element("another-test").addEventListener("click", () => showTest(Math.floor(DATA.labels.length * Math.random())));
  update();
}
