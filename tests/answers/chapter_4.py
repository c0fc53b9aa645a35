"""Right and wrong answers to the exercises of chapter 4."""

CONTEXT: dict = {}

RIGHT: dict = {}

WRONG: dict = {}
