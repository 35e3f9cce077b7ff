"""Compose params.yaml and pipelines/ from conf/: `python -m cadc.compose [profile=NAME] [data=NAME]
[section.key=value]`.

params.yaml is also what `dvc exp run` composes. Each file of conf/studies gets a folder pipelines/STUDY. A variant that
several studies share keeps the folder and name it has on disk. `--check` lists the files that differ and
composes nothing. Both mend what a killed DVC left half-written.
"""
