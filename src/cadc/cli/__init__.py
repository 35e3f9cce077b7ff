"""The command `cadc`: from your own data to a training file, using the same stages as `dvc repro`."""
