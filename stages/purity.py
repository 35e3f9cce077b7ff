"""purity: purity of pool clusters in each label, by images, by questions and by both (views/dvc.yaml)."""

import numpy as np

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.data.labels import load_labels
from cadc.features.purity import chance, purity
from cadc.report.views import write_purity
from cadc.selectors.shared.kmeans import spherical_kmeans

CLUSTERS, ITERATIONS, POINTS, SEED = (10, 30, 100, 300), 20, 256, 0


def main(params: Params) -> int:
    pool, labels = artifacts.load_pool(), load_labels()
    known = {"source": pool["source"]}  # the only label of other data
    known |= {name: labels[name] for name in ("subtask", "meta_task", "form") if any(labels[name].to_pylist())}
    image, question = (
        np.asarray(artifacts.load_array(artifacts.EMBEDDINGS / f"{name}.npy")) for name in ("image", "sentence")
    )
    rows = {"pictures": image, "questions": question, "both": np.concatenate([image, question], axis=1)}
    made: dict = {name.replace("_", "-"): {view: {} for view in rows} for name in known}
    for view, features in rows.items():
        for k in CLUSTERS:
            cluster, _ = spherical_kmeans(features, k, ITERATIONS, SEED, POINTS, n_threads=1)
            for name, column in known.items():
                label = np.unique(column.to_pylist(), return_inverse=True)[1]
                made[name.replace("_", "-")][view][k] = purity(cluster, label), chance(cluster, label)
    write_purity(made)
    return pool.num_rows


if __name__ == "__main__":
    run_stage("purity", main)
