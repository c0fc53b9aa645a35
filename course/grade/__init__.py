"""Grading: from a folder of submissions to grades, in a sandbox; `run` does it, the others are its parts."""
