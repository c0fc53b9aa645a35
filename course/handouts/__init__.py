"""Handouts for a class: `build` writes them; `copies`, `pages` and `printing` make what is in them."""
