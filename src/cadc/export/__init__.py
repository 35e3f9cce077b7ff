"""Export selected rows as training files: the original records in training order, and why each was selected."""
