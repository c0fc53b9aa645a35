"""Right and wrong answers to the exercises of chapter 3."""

CONTEXT: dict = {}

RIGHT: dict = {}

WRONG: dict = {}
