"""What several methods share: clusters, neighbours, retrieval, bands of a score."""
