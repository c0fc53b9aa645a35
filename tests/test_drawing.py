"""Drawings and photos made as MNIST was: each step does what it says, and can be left out."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import data, drawing


def paper(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return an empty drawing, uint8, with filled boxes: top, bottom, left, right."""
    image = np.zeros((height, width), np.uint8)
    for top, bottom, left, right in boxes:
        image[top:bottom, left:right] = 255
    return image


def box_of(image: np.ndarray) -> tuple[int, int, int, int]:
    return drawing.bounding_box(image)


def test_a_drawing_becomes_20_pixels_long_around_the_middle() -> None:
    image = drawing.prepare(paper(100, 60, (10, 50, 3, 13)))
    assert image.shape == (28, 28) and image.dtype == np.uint8
    assert box_of(image) == (4, 24, 12, 17)  # a fourth as wide as long, and the center of mass at pixel 14
    assert set(np.unique(image)) == {0, 255}


ALONE = {  # a box of 40×40 at the top left of a paper of 100×100: where it is on the 28×28
    "nothing": ({}, (0, 11, 0, 11)),
    "cut": ({"cut": True}, (8, 19, 8, 19)),
    "fit": ({"fit": True}, (4, 12, 4, 12)),
    "center": ({"center": True}, (9, 20, 9, 20)),
    "cut and fit": ({"cut": True, "fit": True}, (4, 24, 4, 24)),
    "all": ({"cut": True, "fit": True, "center": True}, (4, 24, 4, 24)),
}


@pytest.mark.parametrize(("switches", "expected"), ALONE.values(), ids=ALONE)
def test_each_step_can_be_left_out(switches: dict, expected: tuple) -> None:
    image = drawing.prepare(paper(100, 100, (0, 40, 0, 40)), **{"cut": False, "fit": False, "center": False} | switches)
    found = box_of(image)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 1, found


def test_the_centre_of_mass_goes_to_the_middle_not_that_of_the_box() -> None:
    heavy_below = paper(90, 90, (0, 60, 28, 32), (60, 80, 10, 50))
    by_mass, by_box = drawing.prepare(heavy_below), drawing.prepare(heavy_below, center=False)
    assert box_of(by_box)[0] == 4 and box_of(by_mass)[0] < 4


def test_a_thin_line_is_not_lost_in_scaling() -> None:
    image = drawing.prepare(paper(1000, 1000, (0, 1000, 0, 3), (0, 3, 0, 1000)), center=False)
    assert (image > 0).sum() == 39 and 0 < image.max() < 255


def test_what_sticks_out_is_cut_off() -> None:
    thin_left_heavy_right = paper(200, 200, (0, 200, 0, 1), (0, 200, 150, 200))
    assert box_of(drawing.prepare(thin_left_heavy_right)) == (4, 24, 12, 17)


def test_test_images_come_out_as_they_are(digits: data.Dataset) -> None:
    """They were made so. Enlarged and put anywhere, they are found again, to the last gray value."""
    image = drawing.prepare(digits.test_images[3].numpy())
    larger = np.pad(np.kron(image, np.ones((7, 7), np.uint8)), ((5, 90), (40, 0)))
    assert np.array_equal(drawing.prepare(larger), image)


EXTREMES = {
    "nothing": (np.zeros((50, 70), np.uint8), 0),
    "all black": (np.full((50, 50), 255, np.uint8), 400),
    "one pixel": (paper(280, 280, (279, 280, 0, 1)), 400),
    "one pixel is all": (np.full((1, 1), 255, np.uint8), 400),
    "a line at the edge": (paper(10, 3000, (9, 10, 0, 3000)), 20),
}


@pytest.mark.parametrize(("image", "pixels"), EXTREMES.values(), ids=EXTREMES)
def test_extreme_drawings(image: np.ndarray, pixels: int) -> None:
    assert (drawing.prepare(image) > 0).sum() == pixels


def test_shares_from_0_to_1_are_taken_too() -> None:
    image = paper(40, 40, (3, 30, 5, 20))
    assert np.array_equal(drawing.prepare(image / 255), drawing.prepare(image))


BAD_DRAWINGS = {
    "colors": (np.zeros((5, 5, 3), np.uint8), "drawing: got shape (5, 5, 3); give (height, width)"),
    "nothing at all": (np.zeros((0, 5)), "drawing: got shape (0, 5); give (height, width)"),
    "whole numbers": (np.zeros((5, 5), int), "drawing: got int64; give uint8 from 0 to 255, or float from 0 to 1"),
    "too large": (np.full((5, 5), 255.0), "drawing: has values that are not from 0 to 1"),
    "NaN": (np.full((5, 5), np.nan), "drawing: has values that are not from 0 to 1"),
}


@pytest.mark.parametrize(("image", "line"), BAD_DRAWINGS.values(), ids=BAD_DRAWINGS)
def test_what_is_no_drawing_is_refused_in_one_line(image: np.ndarray, line: str) -> None:
    with pytest.raises(ValueError) as error:
        drawing.prepare(image)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def photographed(ink: np.ndarray, **options: bool) -> np.ndarray:
    """Return a photo, uint8 (300, 400), of paper with that ink: 140×140 shares, in the middle."""
    rows, columns = np.mgrid[0:300, 0:400]
    light = 150 + 80 * columns / 400
    if options.get("shadow"):
        light = light * np.where(columns + rows / 2 < 280, 0.55, 1)
    photo = light * (1 - 0.7 * np.pad(ink, ((80, 80), (130, 130))))
    if options.get("table"):
        photo[(columns < 30) | (rows > 285)] = 50
    noise = np.random.default_rng(0).normal(0, 6, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"shadow": True}, {"table": True}, {"shadow": True, "table": True}], ids=str)
def test_ink_is_found_in_a_photo(digits: data.Dataset, options: dict) -> None:
    """Whatever the light, it is nearly the ink that was there: of all that is either, four fifths are both."""
    image = np.kron(digits.test_images[3].numpy() > 127, np.ones((5, 5)))
    found = drawing.from_photo(photographed(image, **options))
    assert found.shape == (192, 256)
    expected = drawing.resize(np.pad(255.0 * image, ((80, 80), (130, 130))).astype(np.int64), 192, 256) > 90
    assert ((found > 0) & expected).sum() / ((found > 0) | expected).sum() > 0.8


def test_blank_paper_has_no_ink() -> None:
    assert not drawing.from_photo(photographed(np.zeros((140, 140)), shadow=True, table=True)).any()


def test_a_photo_may_have_colors() -> None:
    gray = photographed(np.kron(np.eye(7), np.ones((20, 20))))
    colored = np.stack([gray, gray, gray], axis=2)
    assert np.array_equal(drawing.from_photo(colored), drawing.from_photo(gray))


def test_what_is_no_photo_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^photo: got float64 \(5, 5\); give uint8 [^\n]*$"):
        drawing.from_photo(np.zeros((5, 5)))


# --- a photo's file ---


def test_a_picture_is_read_the_right_way_up_and_what_is_transparent_is_paper(tmp_path: Path) -> None:
    ink = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (0, 0, 10, 20))  # a third, to the left
    turned = Image.Exif()
    turned[0x0112] = 6  # as a camera held upright writes it: show me turned by 90 degrees to the right
    ink.save(tmp_path / "ink.png", exif=turned)
    read = drawing.load_photo(tmp_path / "ink.png")
    assert read.shape == (30, 20, 3) and read.dtype == np.uint8
    assert (read[:10] == 0).all() and (read[10:] == 255).all()


@pytest.mark.parametrize("content", [b"no picture at all", b"", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_picture_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "seven.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]*seven\.png: can't be read as a picture; give a PNG or JPEG file$"):
        drawing.load_photo(tmp_path / "seven.png")


# --- the drawings that come with the course ---


def test_the_drawings_are_ten_of_each_digit_and_each_is_where_its_strokes_are() -> None:
    drawings, labels = drawing.load_drawings()
    assert drawings.shape == (100, 280, 280) and drawings.dtype == np.uint8
    assert labels.dtype == np.int64 and labels.tolist() == [digit for digit in range(10) for _ in range(10)]
    kept = json.loads(drawing.SHEET.with_name("strokes.json").read_text(encoding="utf-8"))
    for image, label, each in zip(drawings, labels, kept, strict=True):
        points = np.concatenate(each["strokes"])  # (N, 2), x and y
        (left, top), (right, bottom) = points.min(0) - each["width"] / 2 - 1, points.max(0) + each["width"] / 2 + 1
        box = box_of(image)
        assert each["digit"] == label and image.max() == 255
        assert top <= box[0] and box[1] <= bottom and left <= box[2] and box[3] <= right


def cut_short(path: Path) -> None:
    path.write_bytes(drawing.SHEET.read_bytes()[:1000])


@pytest.mark.parametrize("spoil", [lambda path: None, cut_short], ids=["missing", "cut short"])
def test_without_the_sheet_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "sheet.png"
    spoil(path)
    monkeypatch.setattr(drawing, "SHEET", path)
    with pytest.raises(
        ValueError, match=r"^[^\n]*sheet\.png: missing or damaged; take it from the course's files again$"
    ):
        drawing.load_drawings()
