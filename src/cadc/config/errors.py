"""Errors that speak to the person who runs a stage, apart from those that show a defect."""

from __future__ import annotations


class InputError(ValueError):
    """A fault in what a person gave: the message names file, row id, value and what to do.

    A stage shows it as one line, without a traceback.
    """
