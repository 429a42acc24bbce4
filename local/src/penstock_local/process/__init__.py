"""Child processes of `penstock dev` and their supervision."""
