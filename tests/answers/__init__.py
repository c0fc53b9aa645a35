"""Right and wrong answers to the exercises, one file a chapter; `test_exercises.py` tries them all."""
