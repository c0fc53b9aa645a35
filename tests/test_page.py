"""The page: one file that asks nobody for anything, and reads in a browser what PyTorch reads here, in the same way."""

import base64
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
import safetensors.torch
import torch
from accessibility import violations
from browser import BROWSER, draw, needs_browser
from conftest import HAS_MNIST
from PIL import Image
from strokes import Stroke, drawn

from course.__main__ import main
from course.page import build
from helpers import checkpoint, data, drawing, results, settings
from helpers.model import BatchNormNet, MNISTClassification

REFERENCE = settings.ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the embedded digits' reference run."""
    return build.build(REFERENCE / "digits")


def content_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run on the embedded digits, to spoil."""
    return Path(shutil.copytree(REFERENCE / "digits", tmp_path / "run"))


# --- the file ---


def test_the_page_is_one_small_file_that_names_no_other(page: str) -> None:
    assert len(page.encode()) < 2_000_000
    own = re.sub(
        r'<script (type="[^"]*" id="[^"]*")>.*?</script>', r"<script \1></script>", page, flags=re.S
    )  # no data
    assert len(own) < 100_000
    assert not re.search(r"https?:|//[a-z]|\bsrc=|<link|@import|url\(|\bfetch\(|XMLHttpRequest|import\(", own)


def test_the_policy_lets_in_the_pages_own_script_and_style_and_no_network(page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    for kind, element in (("script-src", "<script>"), ("style-src", "<style>")):
        text = page.split(element, 1)[1].split(element.replace("<", "</"), 1)[0]
        assert rules[kind] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.skipif(not HAS_MNIST, reason="needs MNIST")
def test_the_reference_page_holds_each_epoch_and_the_challenge() -> None:
    page = build.build(REFERENCE / "mnist")
    content = content_of(page)
    assert len(page.encode()) < 2_000_000
    assert content["epochs"] == list(range(11)) and page.count('id="age') == 10 + 1  # the last ones are in the content
    last = np.frombuffer(base64.b64decode(content["trained"]), "<f4")
    weights = safetensors.torch.load_file(REFERENCE / "mnist" / "weights.safetensors")
    assert np.array_equal(last, np.concatenate([weights[name].numpy().ravel() for name, _ in content["layout"]]))
    quiz = content["quiz"]
    for place, label, given in zip(quiz["places"], quiz["labels"], quiz["given"], strict=True):
        assert len(given) == 10 and label not in given, place
    assert 10 <= len(quiz["places"]) <= 20


def test_class_names_are_those_of_the_data_set(
    run: Path, digits: data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing in them ends the page's element of data."""
    names = ("T-shirt/top", "</script>", *"23456789")
    clothes = replace(digits, name="fashion", title="FashionMNIST", class_names=names)
    monkeypatch.setattr(build, "load_dataset", lambda name, data_dir: clothes)
    record = results.load_record(run, "03_training")
    results.write_json(run / "03_training.json", record | {"dataset": "fashion"})
    page = build.build(run)
    assert content_of(page)["classNames"] == list(names)
    assert "trained on clothes, shoes and bags from a shop's catalog (FashionMNIST)" in page


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_a_reference_run_has_the_weights_of_each_epoch(name: str) -> None:
    """The last are those that are read with; `refresh` and `record` keep both of the same run."""
    record, ages = build.read_run(REFERENCE / name)
    assert list(ages) == list(range(len(record["history"]) + 1))
    weights = [torch.cat([tensor.flatten() for tensor in age.values()]) for age in ages.values()]
    assert all(not torch.equal(before, after) for before, after in pairwise(weights))


def test_epochs_of_another_run_are_left_out(run: Path) -> None:
    checkpoint.save_weights(MNISTClassification(), run / "epochs" / "10.safetensors")
    assert list(build.read_run(run)[1]) == [10]
    shutil.copyfile(run / "weights.safetensors", run / "epochs" / "10.safetensors")
    assert len(build.read_run(run)[1]) == 11
    (run / "epochs" / "03.safetensors").unlink()
    assert list(build.read_run(run)[1]) == [10]


def test_the_page_of_a_long_run_is_small_too(run: Path) -> None:
    """It has the weights of some epochs, evenly spread: the first and the last are among them."""
    record = results.load_record(run, "03_training")
    history = [record["history"][0] | {"epoch": epoch} for epoch in range(1, 41)]
    results.write_json(run / "03_training.json", record | {"history": history})
    for epoch in range(41):
        shutil.copyfile(run / "weights.safetensors", run / "epochs" / f"{epoch:02}.safetensors")
    page = build.build(run)
    assert len(page.encode()) < 2_000_000
    epochs = content_of(page)["epochs"]
    assert epochs[0] == 0 and epochs[-1] == 40 and {b - a for a, b in pairwise(epochs)} <= {3, 4}


def with_weights(run: Path, model: torch.nn.Module) -> None:
    """Put other weights into a run, as if it had trained them."""
    path = checkpoint.save_weights(model, run / "weights.safetensors")
    record = results.load_record(run, "03_training")
    results.write_json(run / "03_training.json", record | {"weights_digest": results.digest(path)})


def with_nan(run: Path) -> None:
    model = MNISTClassification()
    with torch.no_grad():
        model.fc_block[3].bias[2] = torch.nan
    with_weights(run, model)


def with_damage(run: Path) -> None:
    path = run / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


BAD_RUNS = {
    "no run": (lambda run: shutil.rmtree(run), "run: no run in '{run}'; give a folder that chapter 3 left"),
    "no weights": (lambda run: (run / "weights.safetensors").unlink(), "run: no run in '{run}'; give a folder"),
    "no record": (lambda run: (run / "03_training.json").unlink(), "run: no run in '{run}'; give a folder"),
    "another network": (
        lambda run: with_weights(run, BatchNormNet()),
        "{run}/weights.safetensors: holds no weights of this network: ",
    ),
    "NaN": (with_nan, "{run}/weights.safetensors: holds no weights of this network: fc_block.3.bias has NaN"),
    "damage": (with_damage, "{run}/weights.safetensors: damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RUNS)
def test_a_run_that_cannot_be_used_is_refused_in_one_line(run: Path, capsys: pytest.CaptureFixture, case: str) -> None:
    spoil, line = BAD_RUNS[case]
    spoil(run)
    out = run.parent / "digits.html"
    assert main(["page", "--run", str(run), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m course page: " + line.format(run=settings.shown(run))) and error.count("\n") == 1
    assert not out.exists()


def test_a_page_is_overwritten_and_any_other_file_is_not(run: Path, capsys: pytest.CaptureFixture) -> None:
    out = run.parent / "digits.html"
    for _ in range(2):
        assert main(["page", "--run", str(run), "--out", str(out)]) == 0
    mine = run.parent / "mine.html"
    mine.write_text("<!DOCTYPE html>\n<p>My own page")
    assert main(["page", "--run", str(run), "--out", str(mine)]) == 2
    assert main(["page", "--run", str(run), "--out", str(run)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("mine.html' was not made by `page`; give another name")
    assert second.endswith("is a folder; give the name of a file, such as digits.html")
    assert mine.read_text() == "<!DOCTYPE html>\n<p>My own page"


# --- in a browser ---


class Opened:
    """A page that is open in a browser: what somebody can do with it."""

    def __init__(self, tab: object, file: Path):
        self.tab = tab
        self.problems: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.problems.append(message.text))
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.goto(file.as_uri())
        self.wait("look !== null")

    def draw(self, strokes: list[Stroke]) -> None:
        """Draw with the mouse; places go from 0 to 1."""
        self.tab.click("#clear")
        draw(self.tab, "#pad", strokes)

    def touch(self, strokes: list[Stroke]) -> None:
        """Draw with a finger."""
        self.tab.click("#clear")
        box = self.tab.locator("#pad").bounding_box()
        finger = self.tab.context.new_cdp_session(self.tab)

        def send(kind: str, at: list[tuple[float, float]]) -> None:
            points = [{"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y} for x, y in at]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        for stroke in strokes:
            send("touchStart", stroke[:1])
            for point in stroke[1:]:
                send("touchMove", [point])
            send("touchEnd", [])

    def type_strokes(self, strokes: list[Stroke]) -> None:
        """Draw with the keyboard: a step is a fortieth of the pad."""
        self.tab.focus("#pad")
        self.tab.keyboard.press("Delete")
        at = self.tab.evaluate("[pad.keys.x / 7, pad.keys.y / 7]")
        for stroke in strokes:
            for number, point in enumerate(stroke):
                start, way = at.copy(), [round(40 * goal) - here for goal, here in zip(point, at, strict=True)]
                for step in range(1, max(map(abs, way)) + 1):
                    for axis, names in enumerate((("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"))):
                        goal = start[axis] + round(step * way[axis] / max(map(abs, way)))
                        if goal != at[axis]:
                            self.tab.keyboard.press(names[goal > at[axis]])
                            at[axis] = goal
                if number == 0:
                    self.tab.keyboard.press(" ")
            self.tab.keyboard.press(" ")

    def wait(self, condition: str) -> None:
        """Wait until a condition in JavaScript holds; Playwright's own way needs `eval`, which the page forbids."""
        for _ in range(300):
            if self.tab.evaluate(condition):
                return
            self.tab.wait_for_timeout(100)
        pytest.fail(f"not within 30 seconds: {condition}")

    def read(self) -> str:
        """Return the answer, once it is there."""
        self.tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.tab.text_content("#answer")


@pytest.fixture(scope="module")
def best_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the reference run on MNIST; where MNIST isn't there, on the embedded digits."""
    file = tmp_path_factory.mktemp("page") / "digits.html"
    build.write(REFERENCE / ("mnist" if HAS_MNIST else "digits"), file)
    return file


@pytest.fixture
def opened(browser: object, best_page: Path) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, has_touch=True)
    opened = Opened(context.new_page(), best_page)
    yield opened
    assert opened.problems == []
    assert [url for url in opened.requests if not url.startswith(("file:", "blob:"))] == []
    context.close()


def as_base64(numbers: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def check_numbers(tab: object, age: int, weights: dict[str, torch.Tensor], images: torch.Tensor, record: dict) -> None:
    """Compare what the page computes with what PyTorch does: logits and probabilities, for each image."""
    found = tab.evaluate(
        """([text, age]) => {
          const images = fromBase64(text, Uint8Array), size = 784;
          const answers = new Float32Array(20 * images.length / size);
          for (let i = 0; i < images.length / size; i++) {
            const result = forward(weightsAt(age), images.subarray(i * size, (i + 1) * size));
            answers.set([...result.logits, ...result.probabilities], 20 * i);
          }
          return btoa(Array.from(new Uint8Array(answers.buffer), (byte) => String.fromCharCode(byte)).join(""));
        }""",
        [as_base64(images.numpy()), age],
    )
    numbers = torch.frombuffer(bytearray(base64.b64decode(found)), dtype=torch.float32).view(-1, 2, 10)
    model = MNISTClassification()
    model.load_state_dict(weights)
    model.eval()
    with torch.no_grad():
        normalized = data.normalize(images, record["mean"], record["std"])
        logits = model.fc_block(model.conv_block(normalized).flatten(1))
    assert (numbers[:, 0] - logits).abs().max() < 1e-4
    assert (numbers[:, 1] - logits.softmax(dim=1)).abs().max() < 1e-5


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """All test images and a thousand random ones, uint8 (N, 28, 28)."""
    noise = torch.randint(0, 256, (1000, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return torch.cat([data.load_dataset("mnist" if HAS_MNIST else "digits").test_images, noise])


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("epoch", range(11))
def test_the_page_computes_what_pytorch_computes(opened: Opened, images: torch.Tensor, epoch: int) -> None:
    """For all images, with the weights before training and after each epoch; the last are the reference weights."""
    record, ages = build.read_run(REFERENCE / ("mnist" if HAS_MNIST else "digits"))
    check_numbers(opened.tab, epoch, ages[epoch], images, record)


@needs_browser
@pytest.mark.slow
def test_it_computes_alike_with_weights_that_were_trained_here(
    opened: Opened, images: torch.Tensor, run: Path, digits: data.Dataset
) -> None:
    shutil.rmtree(run / "epochs")
    record = results.load_record(run, "03_training")
    model = MNISTClassification()
    optimizer = torch.optim.Adam(model.parameters())
    inputs = data.normalize(digits.train_images, record["mean"], record["std"])
    for batch in torch.arange(len(inputs)).split(64):
        optimizer.zero_grad()
        torch.nn.functional.nll_loss(model(inputs[batch]), digits.train_labels[batch]).backward()
        optimizer.step()
    with_weights(run, model)
    page = run.parent / "digits.html"
    page.write_text(build.build(run), encoding="utf-8")
    opened.tab.goto(page.as_uri())
    opened.wait("look !== null")
    check_numbers(opened.tab, 0, dict(model.state_dict()), images, record)


@needs_browser
@pytest.mark.slow
def test_the_page_prepares_as_python_does(opened: Opened) -> None:
    """Every combination of the steps; sizes from one pixel to a photo's."""
    random = np.random.default_rng(0)
    for height, width in [(1, 1), (5, 3), (28, 28), (280, 280), (97, 301), (2, 500)] * 3:
        ink = random.integers(0, 256, (height, width), dtype=np.uint8)
        ink[random.random(ink.shape) < 0.6] = 0
        ink[: random.integers(0, height)] = 0
        for steps in range(8):
            switches = {name: bool(steps >> i & 1) for i, name in enumerate(("cut", "fit", "center"))}
            found = opened.tab.evaluate(
                """([height, width, text, switches]) =>
                  [...prepare({ height, width, pixels: fromBase64(text, Uint8Array) }, switches).pixels]""",
                [height, width, as_base64(ink), switches],
            )
            expected = drawing.prepare(ink, **switches)
            assert np.array_equal(np.reshape(found, (28, 28)), expected), (height, width, switches)


@needs_browser
@pytest.mark.slow
def test_the_page_finds_the_ink_of_a_photo_as_python_does(opened: Opened) -> None:
    random = np.random.default_rng(0)
    for height, width in [(3, 3), (200, 256), (400, 300)]:
        light = np.linspace(90, 230, width) * np.ones((height, 1))
        light[height // 3 : height // 2, width // 4 : width // 2] *= 0.3
        photo = np.clip(light + random.normal(0, 8, light.shape), 0, 255).astype(np.uint8)
        found = opened.tab.evaluate(
            """([height, width, text]) =>
              [...fromPhoto({ height, width, pixels: fromBase64(text, Uint8Array) }).pixels]""",
            [height, width, as_base64(photo)],
        )
        expected = drawing.from_photo(photo)
        assert np.array_equal(np.reshape(found, expected.shape), expected)


@needs_browser
@pytest.mark.slow
@pytest.mark.skipif(not HAS_MNIST, reason="the embedded digits are too few to learn everybody's handwriting from")
@pytest.mark.parametrize(("way", "rounds"), [("draw", 10), ("touch", 4), ("type_strokes", 2)])
def test_drawn_digits_are_read(opened: Opened, way: str, rounds: int) -> None:
    """At least 95 in 100 with the preparation, and far fewer without."""
    random = Random(0)
    right = {True: 0, False: 0}
    for digit in [*range(10)] * rounds:
        getattr(opened, way)(drawn(digit, random))
        right[True] += opened.read() == str(digit)
        image = opened.tab.evaluate("[...prepare(pad.ink, { cut: false, fit: false, center: false }).pixels]")
        read = "image => argmax(forward(trained, Uint8Array.from(image)).logits)"
        right[False] += opened.tab.evaluate(read, image) == digit
    print(f"{way}: {right} of {10 * rounds}")
    assert right[True] >= 9.5 * rounds
    assert right[False] < 8 * rounds


@needs_browser
@pytest.mark.slow
def test_nothing_everything_and_the_edge(opened: Opened) -> None:
    assert opened.read() == "–"
    assert opened.tab.text_content("#answer-words").startswith("Nothing drawn yet.")
    shares = opened.tab.evaluate("read().result.probabilities")
    assert sum(shares) == pytest.approx(1) and len(shares) == 10  # what it says of empty paper
    opened.draw([[(0.99, 0.01), (1.2, 0.5), (0.99, 0.99)], [(0, 0), (0, 0)]])
    assert opened.read() in "0123456789"
    opened.tab.evaluate("pad.show({ height: 280, width: 280, pixels: new Uint8Array(280 * 280).fill(255) })")
    assert opened.read() in "0123456789"
    opened.tab.click("#undo")
    opened.tab.click("#clear")
    assert opened.read() == "–"


@needs_browser
@pytest.mark.slow
def test_undo_takes_back_one_thing_after_the_other(opened: Opened) -> None:
    ink = "pad.ink.pixels.reduce((a, b) => a + b)"
    opened.draw([[(0.2, 0.2), (0.8, 0.2)], [(0.2, 0.8), (0.8, 0.8)]])
    two = opened.tab.evaluate(ink)
    opened.tab.click("#clear")
    assert opened.tab.evaluate(ink) == 0
    opened.tab.click("#undo")
    assert opened.tab.evaluate(ink) == two
    opened.tab.focus("#pad")
    opened.tab.keyboard.press("Backspace")
    assert 0 < opened.tab.evaluate(ink) < two


@needs_browser
@pytest.mark.slow
def test_resizing_while_drawing_moves_nothing(opened: Opened) -> None:
    box = opened.tab.locator("#pad").bounding_box()
    opened.tab.mouse.move(box["x"] + 40, box["y"] + 40)
    opened.tab.mouse.down()
    opened.tab.set_viewport_size({"width": 390, "height": 844})
    box = opened.tab.locator("#pad").bounding_box()
    opened.tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    opened.tab.mouse.up()
    (x, y) = opened.tab.evaluate("pad.marks.at(-1).points.at(-1)")
    assert (x, y) == pytest.approx((140, 140), abs=2)


@needs_browser
@pytest.mark.slow
def test_a_finger_on_the_pad_does_not_scroll(opened: Opened) -> None:
    opened.tab.set_viewport_size({"width": 390, "height": 600})
    opened.touch([[(0.5, 0.9), (0.5, 0.5), (0.5, 0.1)]])
    assert opened.tab.evaluate("scrollY") == 0 and opened.read() == "1"


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


WHITE = np.full((300, 300), 230, np.uint8)
UNREADABLE = "can't be read as a photo. Choose a JPEG or PNG file that opens elsewhere."
NO_INK = "Write with a dark pen, and let light paper fill the photo."
BAD_PHOTOS = {
    "text.png": (b"I am no picture", f"“text.png” {UNREADABLE}"),
    "broken.png": (png(WHITE)[:12] + bytes(200), f"“broken.png” {UNREADABLE}"),
    "cut.png": (png(WHITE)[:60], f"No ink found in “cut.png”. {NO_INK}"),  # a browser shows what there is of it
    "blank.png": (png(WHITE), f"No ink found in “blank.png”. {NO_INK}"),
    "huge.png": (
        png(np.zeros((10_100, 10_100), np.uint8)),
        "“huge.png” has 102 megapixels. Choose one of at most 100 megapixels.",
    ),
    "heavy.png": (bytes(51_000_000), "“heavy.png” is 51 MB. Choose a photo of at most 50 MB."),
}


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_what_is_no_photo_is_said_in_one_line_and_the_drawing_stays(opened: Opened, tmp_path: Path, name: str) -> None:
    content, line = BAD_PHOTOS[name]
    (tmp_path / name).write_bytes(content)
    opened.draw([[(0.5, 0.2), (0.5, 0.8)]])
    opened.tab.set_input_files("#photo", str(tmp_path / name))
    opened.wait("element('problem').textContent !== ''")
    assert opened.tab.text_content("#problem") == line
    assert opened.read() == "1"


@needs_browser
@pytest.mark.slow
def test_a_photo_is_read(opened: Opened) -> None:
    photo = WHITE.copy()
    photo[60:240, 140:160] = 60
    photo[:, :120] //= 2  # a shadow
    opened.tab.set_input_files("#photo", {"name": "one.png", "mimeType": "image/png", "buffer": png(photo)})
    opened.wait("pad.marks.length === 1")
    assert opened.read() == "1"


@needs_browser
@pytest.mark.slow
def test_everything_answers_to_the_keyboard(opened: Opened) -> None:
    """The switches, the test images, the maps, the epochs and the challenge, without a mouse."""
    tab = opened.tab
    tab.focus("summary")
    tab.keyboard.press("Enter")
    tab.focus("#tests")
    tab.keyboard.press("ArrowDown")
    assert "its label is “1”" in tab.text_content("#test-words") and opened.read() == "1"
    tab.focus("#cut")
    tab.keyboard.press(" ")
    assert tab.evaluate("switches().cut") is False
    for maps, words in (("#maps1", "#sum1"), ("#maps2", "#sum2")):
        tab.focus(maps)
        before = tab.text_content(words)
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("PageDown")
        assert tab.text_content(words).startswith("Map 1, ") and tab.text_content(words) != before
    if HAS_MNIST:
        opened.wait("learn.readings.length > 0")
        tab.focus("#epoch")
        tab.keyboard.press("Home")
        assert tab.text_content("#epoch-words").startswith("Before training")
    tab.focus("#quiz-answers button")
    tab.keyboard.press("Enter")
    assert tab.text_content("#quiz-result").startswith("You say “0”; the label says “")
    tab.keyboard.press("Enter")  # the button for the next image has the focus
    assert tab.text_content("#quiz-count").startswith("Image 2 of ")


@needs_browser
@pytest.mark.slow
def test_a_screen_reader_hears_the_answer_when_the_pen_rests(opened: Opened) -> None:
    opened.draw([[(0.5, 0.2), (0.5, 0.8)]])
    opened.wait("element('live').textContent.startsWith('It reads “1”')")


@needs_browser
@pytest.mark.slow
def test_it_is_accessible(best_page: Path) -> None:
    found = violations(best_page.read_text(encoding="utf-8"), BROWSER)
    assert [fault for fault in found if fault["impact"] in ("serious", "critical")] == []


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 820, 1400])
def test_nothing_sticks_out_sideways(opened: Opened, width: int) -> None:
    opened.tab.set_viewport_size({"width": width, "height": 800})
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= width


@needs_browser
@pytest.mark.slow
def test_no_picture_has_a_background_of_its_own(opened: Opened) -> None:
    """A page that is dark on the screen would otherwise print a dark picture, in which nobody sees the letters."""
    opened.draw([[(0.5, 0.2), (0.5, 0.8)]])
    opened.wait("element('occlusion-words').textContent.startsWith('Covered')")
    opacity = """id => {
      const canvas = element(id), place = id === "way" ? WAY.answers[0].map((at) => 2 * at) : [0, 0];
      return canvas.getContext("2d").getImageData(...place, 1, 1).data[3];
    }"""
    assert [opened.tab.evaluate(opacity, id) for id in ("way", "stage3", "quiz-image")] == [0, 0, 0]
