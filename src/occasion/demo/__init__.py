"""Demo: the main job on real data that comes with the package, shown on a terminal."""
