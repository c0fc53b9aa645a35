"""Grading: from a folder of submissions to marks, in a sandbox; `run` does it, the others are its parts."""
