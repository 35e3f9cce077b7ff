"""The command `cadc`: from one's own data to a training file, over the same stages that `dvc repro` runs."""
