"""The page that draws, reads and looks inside: one HTML file from a run's weights; `build` puts it together."""
