// The pad in a notebook: the page's own pad, whose pixels go to Python after each stroke.

const KEYS = "arrows move, space puts the pen down or lifts it, backspace undoes.";
const PARTS = `
  <div class="pad">
    <canvas width="${PAD_SIZE}" height="${PAD_SIZE}" tabindex="0" role="application"
      aria-label="Drawing pad: ${KEYS}"></canvas>
    <span class="cursor" hidden></span>
  </div>
  <div class="tools">
    <button type="button" class="undo">Undo</button>
    <button type="button" class="clear">Clear</button>
    <label>Brush <input type="range" min="8" max="44" value="20"></label>
  </div>
  <p>Keys: ${KEYS}</p>
  <p class="alone" role="status"></p>
  <p class="unseen" aria-live="polite"></p>`;

function render({ model, el }) {
  el.classList.add("drawing-pad");
  el.dataset.lmSuppressShortcuts = "true"; // in JupyterLab, an arrow key would go to the next cell
  el.innerHTML = PARTS;
  const part = (name) => el.querySelector(name);
  const pad = new Pad(part("canvas"), part(".cursor"), {
    changed: () => { if (!pad.stroke) send(); },
    told: (words) => { part(".unseen").textContent = words; },
  });
  const send = () => {
    model.set("_pixels", new DataView(pad.ink.pixels.buffer));
    model.save_changes();
  };

  const before = model.get("_pixels"); // somebody drew on it before the notebook showed it again
  if (before.byteLength) {
    const pixels = new Uint8Array(before.buffer, before.byteOffset, before.byteLength);
    pad.show({ height: PAD_SIZE, width: PAD_SIZE, pixels });
  }
  part(".undo").addEventListener("click", () => pad.undo());
  part(".clear").addEventListener("click", () => pad.clear());
  part("input").addEventListener("input", (event) => { pad.brush = Number(event.target.value); });
  model.on("comm_live_update", () => {
    part(".alone").textContent = "The kernel was restarted and gets nothing from this pad: run its cell again.";
  });
}

// In JupyterLab, the cell's output is a place for the pad rather than a view of the widget: once the kernel has ended, all
// that JupyterLab shows of a saved view is an error.
function initialize({ model }) {
  const place = `[data-drawing-pad="${model.get("_place")}"]:not(.drawing-pad)`;
  const fill = () => document.querySelectorAll(place).forEach((el) => render({ model, el }));
  const observer = new MutationObserver(fill); // a cell's output comes later than its widget, and again if it runs again
  observer.observe(document.body, { childList: true, subtree: true });
  fill();
  return () => observer.disconnect();
}

export default { initialize, render };
