"""Terminal output of `penstock dev`."""
