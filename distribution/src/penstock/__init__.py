"""The distribution `penstock`: the command of all packages; `python -m penstock` is the same as `penstock`."""
