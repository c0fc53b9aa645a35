"""Right and wrong answers to the exercises of chapter 5."""

CONTEXT: dict = {}

RIGHT: dict = {}

WRONG: dict = {}
