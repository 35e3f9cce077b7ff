"""Capabilities: similarity of subtasks, groups of subtasks and their stability, and influence of rows on groups."""
