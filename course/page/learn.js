// Watch it learn: the same drawing, read by the network as it was before training and after each epoch.

class Learn {
  // `weightsAt` returns the network's weights at an age, a place in DATA.epochs; epoch 0 is before training.
  constructor(element, weightsAt, announce) {
    Object.assign(this, { element, weightsAt, announce, readings: [] });
    element("learn").hidden = AGES === 1; // a run that kept no weights on its way
    const slider = element("epoch");
    slider.max = AGES - 1;
    slider.value = slider.max;
    slider.addEventListener("input", () => this.showEpoch(true));
    element("play").addEventListener("click", () => this.play());
    const heading = element("ages").createTHead().insertRow();
    for (const word of ["epoch", ...DATA.epochs]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = word;
      heading.append(cell);
    }
    const body = element("ages").createTBody();
    for (const name of DATA.classNames) {
      const row = body.insertRow();
      const cell = document.createElement("th");
      cell.scope = "row";
      cell.textContent = name;
      row.append(cell);
      for (const _ of DATA.epochs) row.insertCell();
    }
  }

  // Let the network read an image at every age; several milliseconds, so call it when a drawing has come to rest.
  show(image) {
    this.readings = DATA.epochs.map((_, age) => forward(this.weightsAt(age), image).probabilities);
    const rows = this.element("ages").tBodies[0].rows;
    this.readings.forEach((probabilities, age) => {
      probabilities.forEach((probability, i) => {
        const cell = rows[i].cells[age + 1];
        cell.textContent = probability < 0.005 ? "·" : Math.round(100 * probability);
        cell.style.backgroundColor = `rgba(${POSITIVE}, ${0.45 * probability})`;
      });
    });
    this.showEpoch(false);
  }

  showEpoch(aloud) {
    if (!this.readings.length) return; // nothing has come to rest yet
    const slider = this.element("epoch"), age = Number(slider.value);
    const epoch = DATA.epochs[age], probabilities = this.readings[age];
    const right = epoch ? `. It read ${(100 * DATA.accuracies[epoch]).toFixed(1)} % of the validation images correctly` : "";
    const when = epoch ? `After epoch ${epoch}` : "Before training, with random numbers for weights";
    const best = argmax(probabilities);
    const words = `${when}: “${DATA.classNames[best]}”, ${percent(probabilities[best])}${right}.`;
    this.element("epoch-words").textContent = words;
    slider.setAttribute("aria-valuetext", words);
    for (const row of this.element("ages").rows) {
      [...row.cells].forEach((cell, i) => cell.classList.toggle("now", i === age + 1));
    }
    const kernels = this.weightsAt(age)["conv_block.0.weight"];
    paintMaps(this.element("kernels"), kernels, KERNEL, 5, Math.max(...kernels.map(Math.abs)));
    if (aloud) this.announce(words);
  }

  play() {
    clearInterval(this.playing);
    const slider = this.element("epoch");
    slider.value = 0;
    this.showEpoch(false);
    this.playing = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      this.showEpoch(slider.value === slider.max);
      if (slider.value === slider.max) clearInterval(this.playing);
    }, 700);
  }
}
