"""Curation by capability: assign rows to capabilities, set budgets, pick rows, and order them for training."""
