"""Per-row gradients, their AdamW update directions and random projections, and the influence of rows on subtasks."""
