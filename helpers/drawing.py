"""Your own digits: a drawing or a photo becomes an image of 28×28 pixels, as MNIST's were made.

MNIST's digits were scanned, cut out, scaled to fit 20×20 pixels, and moved until their center of mass was in the middle
of 28×28. The page of `python -m course page` does the same in JavaScript (`course/page/prepare.js`, `photo.js`). Both
compute with whole numbers until the one division of each pixel, so that they agree to the last gray value.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from helpers import settings

SHEET = settings.FILES / "results" / "drawings" / "sheet.png"  # a row for each digit, a column for each hand
PAD_SIZE = 280  # pixels: the side of what is drawn on the pad
IMAGE_SIZE = 28  # pixels: the side of what the network takes
BOX_SIZE = 20  # what the digit's longer side becomes
PHOTO_SIZE = 256  # what a photo's longer side becomes before anybody looks for ink
STROKE = 16  # pixels of such a photo: twice this is the widest stroke that counts as ink and not as a dark place


def load_drawings() -> tuple[np.ndarray, np.ndarray]:
    """Load the hundred drawings that come with the course: ten digits by each of ten hands, drawn on the page's pad.

    Returns:
        Drawings, uint8 (100, 280, 280), 255 is ink; and labels, int64 (100,): ten zeros, ten ones, and so on, each
        ten by the hands in the same order.

    Raises:
        ValueError: the file is missing, or isn't such a sheet.
    """
    try:
        with Image.open(SHEET) as picture:
            sheet = np.array(picture)
    except OSError:
        raise ValueError(
            f"{settings.shown(SHEET)}: missing or damaged; take it from the course's files again"
        ) from None
    if sheet.shape != (10 * PAD_SIZE, 10 * PAD_SIZE) or sheet.dtype != np.uint8:
        raise ValueError(f"{settings.shown(SHEET)}: is another picture; take it from the course's files again")
    drawings = sheet.reshape(10, PAD_SIZE, 10, PAD_SIZE).swapaxes(1, 2).reshape(100, PAD_SIZE, PAD_SIZE)
    return drawings, np.arange(10).repeat(10)


def prepare(drawing: np.ndarray, cut: bool = True, fit: bool = True, center: bool = True) -> np.ndarray:
    """Turn a drawing into an image as MNIST's were made. Each of the three steps can be left out.

    Args:
        drawing: (height, width), any size; 0 is empty paper. uint8 to 255, float to 1.
        cut: cut the digit out; otherwise the paper around it counts as part of it.
        fit: scale what was cut out until its longer side is 20 pixels; otherwise the digit keeps its share of the
            paper, whose longer side becomes 28 pixels.
        center: move the center of mass to the middle; otherwise the middle of what was cut out is there.

    Returns:
        uint8 (28, 28), 0 to 255; empty if the drawing is.

    Raises:
        ValueError: `drawing` has another shape or type, or values out of range.
    """
    ink = as_ink(drawing)
    paper_size = max(ink.shape)
    if cut:
        top, bottom, left, right = bounding_box(ink)
        ink = ink[top:bottom, left:right]
    longer = BOX_SIZE if fit else max(1, _divide(IMAGE_SIZE * max(ink.shape), paper_size))
    small = resize(ink, *(max(1, _divide(longer * side, max(ink.shape))) for side in ink.shape))
    return place(small, center)


def as_ink(drawing: np.ndarray) -> np.ndarray:
    """Check a drawing (see `prepare`) and return it as int64 (height, width), 0 to 255."""
    drawing = np.asarray(drawing)
    if drawing.ndim != 2 or drawing.size == 0:
        raise ValueError(f"drawing: got shape {drawing.shape}; give (height, width), one gray value for each pixel")
    if drawing.dtype == np.uint8:
        return drawing.astype(np.int64)
    if not np.issubdtype(drawing.dtype, np.floating):
        raise ValueError(f"drawing: got {drawing.dtype}; give uint8 from 0 to 255, or float from 0 to 1")
    if not ((drawing >= 0) & (drawing <= 1)).all():  # NaN is neither
        raise ValueError("drawing: has values that are not from 0 to 1; divide by the largest possible one")
    return np.floor(drawing * 255 + 0.5).astype(np.int64)


def bounding_box(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of all that isn't empty, as slices take them; the whole paper if all is."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return 0, ink.shape[0], 0, ink.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def resize(ink: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale an image: each new pixel is the mean of the area that it covers, so that no thin stroke gets lost.

    Args:
        ink: int64 (rows, columns), 0 to 255.
        height, width: of the new image, at least 1.

    Returns:
        int64 (height, width), 0 to 255.
    """
    rows, columns = ink.shape
    sums = overlaps(rows, height) @ ink.astype(np.float64) @ overlaps(columns, width).T  # whole numbers, so exact
    return _divide(sums.astype(np.int64), rows * columns)


def overlaps(old: int, new: int) -> np.ndarray:
    """Return how much of each old pixel each new one covers, float64 (new, old); whole numbers, a row's sum is `old`.

    Count in steps so small that both fit: a line of `old` pixels, each `new` steps long, is as long as `new` pixels,
    each `old` steps long.
    """
    start, old_start = np.arange(new)[:, None] * old, np.arange(old) * new
    end, old_end = start + old, old_start + new
    return np.maximum(0, np.minimum(end, old_end) - np.maximum(start, old_start)).astype(np.float64)


def place(small: np.ndarray, center: bool) -> np.ndarray:
    """Put an image, int64 (up to 28, up to 28), on 28×28 empty pixels, by its center of mass or by its own middle.

    MNIST's centers of mass are at pixel 14, counted from 0: as exact as whole pixels allow. What sticks out is lost.
    """
    height, width = small.shape
    mass = int(small.sum())
    if center and mass:
        top = IMAGE_SIZE // 2 - _divide(int(small.sum(axis=1) @ np.arange(height)), mass)
        left = IMAGE_SIZE // 2 - _divide(int(small.sum(axis=0) @ np.arange(width)), mass)
    else:
        top, left = (IMAGE_SIZE - height) // 2, (IMAGE_SIZE - width) // 2
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    rows, columns = (range(max(0, -at), min(side, IMAGE_SIZE - at)) for at, side in ((top, height), (left, width)))
    image[np.ix_([top + row for row in rows], [left + column for column in columns])] = small[np.ix_(rows, columns)]
    return image


def load_photo(path: str | Path) -> np.ndarray:
    """Read a photo or a picture for `from_photo`, the right way up; what is transparent becomes white paper.

    Args:
        path: of a PNG or JPEG file, or what else Pillow reads; a relative one starts at the course's root.

    Returns:
        uint8 (height, width, 3), red, green and blue; 0 is black.

    Raises:
        ValueError: it can't be read, or is no picture.
    """
    try:
        with Image.open(settings.from_root(path)) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # damage has many names
        raise ValueError(f"{settings.shown(path)}: can't be read as a picture; give a PNG or JPEG file") from None
    paper = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(paper, picture).convert("RGB"))


def from_photo(photo: np.ndarray) -> np.ndarray:
    """Find the ink in a photo of a digit on paper, also where a shadow lies on it.

    The paper is what is left when everything thinner than a stroke is taken away, wherever that has three
    tenths of the brightest paper's light. Ink is what is darker than the paper right there, by a quarter.

    Args:
        photo: uint8 (height, width), gray, or (height, width, 3), colors; any size.

    Returns:
        uint8 (height, width), the longer side at most 256: 255 is ink, 0 is not. `prepare` takes it.

    Raises:
        ValueError: `photo` has another shape or type.
    """
    photo = np.asarray(photo)
    if photo.dtype != np.uint8 or photo.size == 0 or not (photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] == 3)):
        raise ValueError(
            f"photo: got {photo.dtype} {photo.shape}; give uint8 (height, width) or (height, width, 3), 0 is black"
        )
    gray = photo.astype(np.int64)
    if photo.ndim == 3:
        gray = (299 * gray[..., 0] + 587 * gray[..., 1] + 114 * gray[..., 2]) // 1000  # as bright as the eye sees it
    if max(gray.shape) > PHOTO_SIZE:
        gray = resize(gray, *(max(1, _divide(PHOTO_SIZE * side, max(gray.shape))) for side in gray.shape))
    smooth = box_sum(gray)  # nine pixels each: a camera's noise
    framed = np.pad(smooth, 2 * STROKE)  # with black, so that a strip of table at the edge is as dark as a wide one
    paper = -largest_around(-largest_around(framed, STROKE), STROKE)
    paper = paper[2 * STROKE : -2 * STROKE, 2 * STROKE : -2 * STROKE]
    is_ink = (4 * smooth < 3 * paper) & (10 * paper > 3 * paper.max())
    return np.where(box_sum(is_ink.astype(np.int64)) > 4, 255, 0).astype(np.uint8)  # without specks


def box_sum(image: np.ndarray) -> np.ndarray:
    """Return the sum over each pixel and its eight neighbors, int64; beyond the edge, the edge is repeated."""
    padded = np.pad(image, 1, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum(axis=(2, 3))


def largest_around(image: np.ndarray, radius: int) -> np.ndarray:
    """Return the largest value within `radius` pixels up, down, left and right: a square, one axis after the other."""
    for axis in (0, 1):
        padded = np.pad(image, [(radius, radius) if axis == this else (0, 0) for this in (0, 1)], mode="edge")
        image = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis).max(axis=2)
    return image


def _divide(number: Any, by: int) -> Any:
    """Return number / by of whole numbers, rounded; a half goes up. (Python's `round` sends it to the even number.)"""
    return (2 * number + by) // (2 * by)
