"""discover: subtasks into capabilities (Leiden on trajectory similarity), and the influence store folded by capability."""

import numpy as np

from cadc import artifacts
from cadc.capabilities.attribution import affinity, best_influence, capability_influence, purity, snapshot_weights
from cadc.capabilities.graph import centered, cosine_similarity
from cadc.capabilities.stability import consensus, most_stable
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.params import Params


def main(params: Params) -> None:
    discover = params.discover
    gram = np.asarray(artifacts.load_array(artifacts.CAPTURE / "gram.npy"))
    subtasks = artifacts.read_json(artifacts.CAPTURE / "subtasks.json")
    rates = np.array([entry["lr"] for entry in artifacts.read_json(artifacts.PROXY / "snapshots.json")])
    subtask = np.asarray(artifacts.load_array(artifacts.CAPTURE / "row_subtask.npy"))
    replicas = [
        artifacts.REPLICAS / f"{seed}.npy" for seed in artifacts.read_json(artifacts.REPLICAS / "replicas.json")
    ]
    row_grams = [artifacts.load_array(path) for path in (artifacts.CAPTURE / "row_gram.npy", *replicas)]
    weights = snapshot_weights(rates, discover.snapshot_weights)
    candidates = consensus(row_grams, subtask, weights, discover)
    chosen = most_stable(candidates)
    capability, cosine = chosen.partition, cosine_similarity(centered(gram) if discover.center else gram, weights)
    arrays = {
        name: artifacts.load_array(artifacts.INFLUENCE / f"{name}.npy")
        for name in ("influence", "norm", "self_influence")
    }
    about = affinity(arrays["influence"], arrays["norm"], gram, weights)
    influence = capability_influence(arrays["influence"], arrays["norm"], gram, weights, capability, discover.center)
    influence = best_influence(about, capability) if discover.attribution == "best" else influence
    targets = [subtask["target"] for subtask in subtasks]
    weight = np.array(
        [1 / (len(set(targets)) * targets.count(target)) for target in targets]
    )  # every benchmark counts alike
    artifacts.fresh(artifacts.CAPABILITIES)
    artifacts.save_array(artifacts.CAPABILITIES / "cosine.npy", cosine)
    artifacts.save_array(artifacts.CAPABILITIES / "capability.npy", capability)
    artifacts.save_array(artifacts.CAPABILITIES / "weight.npy", weight)
    artifacts.save_array(artifacts.CAPABILITIES / "influence.npy", influence)
    artifacts.save_array(artifacts.CAPABILITIES / "affinity.npy", about)
    artifacts.save_array(artifacts.CAPABILITIES / "purity.npy", purity(arrays["influence"], arrays["norm"], gram))
    artifacts.save_array(artifacts.CAPABILITIES / "self_influence.npy", np.asarray(arrays["self_influence"]))
    named = [{**subtask, "capability": int(c)} for subtask, c in zip(subtasks, capability, strict=True)]
    artifacts.write_json(artifacts.CAPABILITIES / "capabilities.json", named)
    artifacts.save_array(artifacts.CAPABILITIES / "together.npy", chosen.together)
    stability = [
        {
            "tau": c.tau,
            "resolution": c.resolution,
            "capabilities": c.n_capabilities,
            "ari": round(c.agreement, 4),
            "runs": len(row_grams),
            "chosen": c is chosen,
        }
        for c in candidates
    ]
    artifacts.write_json(artifacts.CAPABILITIES / "stability.json", stability)
    for entry in stability:
        console.line(
            f"tau {entry['tau']}, resolution {entry['resolution']}: {entry['capabilities']} capabilities, ARI over draws {entry['ari']}"
        )
    for c in range(capability.max() + 1):
        console.line(f"capability {c}: {', '.join(s['name'] for s in named if s['capability'] == c)}")


if __name__ == "__main__":
    run_stage("discover", main)
