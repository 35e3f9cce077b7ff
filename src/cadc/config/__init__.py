"""The sections of params.yaml as types that check every value, and the names of arms and other variants."""
