"""cluster: spherical k-means over image and text embeddings side by side; reports tell how much of it a selection covers."""

import numpy as np

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.selectors.shared.kmeans import spherical_kmeans


def main(params: Params) -> None:
    features = np.concatenate(
        [artifacts.load_array(artifacts.EMBEDDINGS / f"{name}.npy") for name in ("image", "text")], axis=1
    )
    assignment, centroids = spherical_kmeans(
        features, params.cluster.clusters, params.cluster.iterations, params.cluster.seed
    )
    artifacts.fresh(artifacts.CLUSTERS)
    artifacts.save_array(artifacts.CLUSTERS / "assignment.npy", assignment)
    artifacts.save_array(artifacts.CLUSTERS / "centroids.npy", centroids)


if __name__ == "__main__":
    run_stage("cluster", main)
