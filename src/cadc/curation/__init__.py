"""Curation by capability: which rows serve it, how many and which are taken, and in what order they are taught."""
