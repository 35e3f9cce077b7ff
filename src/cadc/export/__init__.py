"""Chosen rows as files that trainers take: their own records, in training order, and why they were chosen."""
