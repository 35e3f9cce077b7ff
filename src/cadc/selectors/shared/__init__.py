"""Code shared by several methods: clusters, neighbours, retrieval, score bands."""
