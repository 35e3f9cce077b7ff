"""Errors for the person who runs a stage, as opposed to defects of the code."""

from __future__ import annotations


class InputError(ValueError):
    """A fault in the user's input; the message names file, row id, value and fix.

    Stages print it as one line, without a traceback.
    """
