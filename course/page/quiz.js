// The challenge: images that networks misread. You first, then the network.

class Quiz {
  // `read` returns ten probabilities for an image, 784 gray values.
  constructor(element, read) {
    Object.assign(this, { element, read, number: 0, right: 0, networkRight: 0, answered: false });
    const answers = element("quiz-answers");
    DATA.classNames.forEach((name, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => this.answer(i));
      answers.append(button);
    });
    element("quiz-next").addEventListener("click", () => this.next());
    this.ask();
  }

  get image() {
    return DATA.quiz.images.subarray(IMAGE_SIZE * IMAGE_SIZE * this.number, IMAGE_SIZE * IMAGE_SIZE * (this.number + 1));
  }

  ask() {
    this.answered = false;
    paintInk(this.element("quiz-image"), { height: IMAGE_SIZE, width: IMAGE_SIZE, pixels: this.image });
    const count = DATA.quiz.labels.length;
    this.element("quiz-image").setAttribute("aria-label", `Image ${this.number + 1} of ${count}: what is it?`);
    this.element("quiz-count").textContent = `Image ${this.number + 1} of ${count}: what is it?`;
    this.element("quiz-result").textContent = "";
    this.element("quiz-next").hidden = true;
    this.element("quiz-bars").hidden = true;
    for (const button of this.element("quiz-answers").children) button.className = "";
  }

  answer(mine) {
    if (this.answered) return;
    this.answered = true;
    const label = DATA.quiz.labels[this.number], probabilities = this.read(this.image), its = argmax(probabilities);
    this.right += mine === label;
    this.networkRight += its === label;
    const names = DATA.classNames, buttons = this.element("quiz-answers").children;
    buttons[mine].classList.add("mine");
    buttons[label].classList.add("label");
    showBars(this.element("quiz-bars"), probabilities);
    this.element("quiz-bars").hidden = false;
    const done = this.number + 1;
    this.element("quiz-result").textContent =
      `You say “${names[mine]}”; the label says “${names[label]}”${mine === label ? ": right!" : "."} ` +
      `This network says “${names[its]}”, ${percent(probabilities[its])}. ${this.othersSay()}` +
      `So far: you ${this.right} of ${done}, this network ${this.networkRight} of ${done}.`;
    const next = this.element("quiz-next");
    next.textContent = done === DATA.quiz.labels.length ? "Start again" : "Next image";
    next.hidden = false;
    next.focus();
  }

  // What the recorded networks gave, if there are any: the most frequent answer first.
  othersSay() {
    const given = DATA.quiz.given[this.number];
    if (!given) return "";
    const counts = new Map();
    for (const answer of given) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    const words = [...counts].sort((a, b) => b[1] - a[1]).map(([answer, count]) => `“${DATA.classNames[answer]}” (${count})`);
    return `The ten better ones say ${words.join(", ")}. `;
  }

  next() {
    this.number = (this.number + 1) % DATA.quiz.labels.length;
    if (this.number === 0) this.right = this.networkRight = 0;
    this.ask();
    this.element("quiz-answers").firstElementChild.focus();
  }
}
