"""params.yaml and pipelines/ out of conf/: `python -m cadc.compose [profile=NAME] [data=NAME] [section.key=value]`.

params.yaml is what `dvc exp run` composes too. pipelines/STUDY is one folder for each file of conf/studies; which
folder makes what several studies ask for, and under which name, stays as the folders have it. With `--check` nothing
is written: a line says which files are something else.
"""
