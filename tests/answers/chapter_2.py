"""Right and wrong answers to the exercises of chapter 2."""

CONTEXT: dict = {}

RIGHT: dict = {}

WRONG: dict = {}
