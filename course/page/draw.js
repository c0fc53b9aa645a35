// The drawing pad: mouse, finger and pen through pointer events, or the keyboard.
// What was done is kept as a list of marks, strokes and whole pictures, so that it can be undone.

const PAD_SIZE = 280; // pixels of the drawing, however large the pad is on the screen
const KEY_STEP = 7;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Pad {
  // `changed` is called after each change; `told` with what a key did, in words.
  constructor(canvas, cursor, { changed, told }) {
    Object.assign(this, { canvas, cursor, changed, told, brush: 20, marks: [], stroke: null });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.finished = Object.assign(document.createElement("canvas"), { width: PAD_SIZE, height: PAD_SIZE });
    this.keys = { held: new Set(), x: PAD_SIZE / 2, y: PAD_SIZE / 2, down: false };
    canvas.addEventListener("pointerdown", (event) => this.pointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.pointerEnd(event));
    canvas.addEventListener("keydown", (event) => this.keyDown(event));
    canvas.addEventListener("keyup", (event) => this.keys.held.delete(event.key));
    canvas.addEventListener("blur", () => this.liftPen());
  }

  // The ink as `prepare` takes it.
  get ink() {
    const colors = this.context.getImageData(0, 0, PAD_SIZE, PAD_SIZE).data;
    const image = emptyImage(PAD_SIZE, PAD_SIZE);
    for (let i = 0; i < image.pixels.length; i++) image.pixels[i] = colors[4 * i + 3]; // how opaque each pixel is
    return image;
  }

  undo() {
    this.liftPen();
    this.marks.pop();
    this.redraw();
  }

  clear() {
    this.show(emptyImage(PAD_SIZE, PAD_SIZE));
  }

  // Put a picture on the pad, in place of all that is there: an image as `prepare` takes it, at most as large as the pad.
  show(picture) {
    this.liftPen();
    this.marks.push({ picture });
    this.redraw();
  }

  begin(point) {
    this.stroke = { points: [point], width: this.brush };
    this.marks.push(this.stroke);
    this.paint();
  }

  end() {
    if (!this.stroke) return;
    drawMark(this.finished.getContext("2d"), this.stroke);
    this.stroke = null;
    this.paint();
  }

  // What is finished, and over it the stroke that is being drawn.
  paint() {
    this.context.clearRect(0, 0, PAD_SIZE, PAD_SIZE);
    this.context.drawImage(this.finished, 0, 0);
    if (this.stroke) drawMark(this.context, this.stroke);
    this.changed();
  }

  redraw() {
    const context = this.finished.getContext("2d");
    context.clearRect(0, 0, PAD_SIZE, PAD_SIZE);
    for (const mark of this.marks) drawMark(context, mark);
    this.paint();
  }

  // Where a pointer is, in the drawing's pixels.
  position(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((at) => at * PAD_SIZE);
  }

  pointerDown(event) {
    if (event.button !== 0 || this.pointer !== undefined) return; // a second finger draws nothing
    this.liftPen();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId); // so that a stroke may leave the pad and come back
    this.cursor.hidden = true;
    this.begin(this.position(event));
  }

  pointerMove(event) {
    if (event.pointerId !== this.pointer || !this.stroke) return;
    const steps = event.getCoalescedEvents?.() ?? []; // a browser may sum up several moves in one event
    for (const step of steps.length ? steps : [event]) this.stroke.points.push(this.position(step));
    this.paint();
  }

  pointerEnd(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.end();
  }

  keyDown(event) {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "Backspace") this.undo();
    else if (event.key === "Delete") this.clear();
    else if (event.key === " ") this.togglePen(event);
    else if (event.key in ARROWS) this.moveByKeys(event);
    else return;
    event.preventDefault(); // the page does not scroll
  }

  togglePen(event) {
    if (event.repeat || this.pointer !== undefined) return;
    if (this.keys.down) {
      this.liftPen();
    } else {
      this.keys.down = true;
      this.begin([this.keys.x, this.keys.y]);
    }
    this.showCursor();
    this.told(this.keys.down ? "Pen down: arrow keys draw" : "Pen up");
  }

  // Two arrow keys at once move along the diagonal.
  moveByKeys(event) {
    this.keys.held.add(event.key);
    const step = event.shiftKey ? 1 : KEY_STEP;
    for (const key of this.keys.held) {
      this.keys.x = Math.min(PAD_SIZE, Math.max(0, this.keys.x + step * ARROWS[key][0]));
      this.keys.y = Math.min(PAD_SIZE, Math.max(0, this.keys.y + step * ARROWS[key][1]));
    }
    this.showCursor();
    if (!this.keys.down) return;
    this.stroke.points.push([this.keys.x, this.keys.y]);
    this.paint();
  }

  liftPen() {
    this.keys.held.clear();
    this.keys.down = false;
    this.cursor.hidden = true;
    this.end();
  }

  showCursor() {
    this.cursor.hidden = false;
    this.cursor.classList.toggle("down", this.keys.down);
    this.cursor.style.left = `${(100 * this.keys.x) / PAD_SIZE}%`;
    this.cursor.style.top = `${(100 * this.keys.y) / PAD_SIZE}%`;
  }
}

function drawMark(context, mark) {
  if (mark.picture) drawPicture(context, mark.picture);
  else drawStroke(context, mark);
}

// Round ends and joints; between the middles of its pieces a stroke is a curve, so that it has no corners.
function drawStroke(context, { points, width }) {
  Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: "black" });
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const middle = [0, 1].map((axis) => (points[i][axis] + points[i + 1][axis]) / 2);
    context.quadraticCurveTo(...points[i], ...middle);
  }
  context.lineTo(...points[points.length - 1]);
  context.stroke();
}

// Black ink, as opaque as the picture's pixels say, in the middle of the pad.
function drawPicture(context, { height, width, pixels }) {
  const image = new ImageData(width, height);
  pixels.forEach((value, i) => { image.data[4 * i + 3] = value; });
  context.clearRect(0, 0, PAD_SIZE, PAD_SIZE);
  context.putImageData(image, Math.floor((PAD_SIZE - width) / 2), Math.floor((PAD_SIZE - height) / 2));
}
