"""The code that the chapters share: data → model → training → evaluation → plotting."""
