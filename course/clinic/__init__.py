"""The clinic of chapter 9: twelve trainings with one mistake each, to be diagnosed from their signs."""
