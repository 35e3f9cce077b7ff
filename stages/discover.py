"""discover: subtasks into capabilities (Leiden on trajectory similarity), and the influence store folded by capability."""

import numpy as np

from cadc import artifacts, console
from cadc.capabilities.attribution import capability_influence
from cadc.capabilities.graph import centered, communities, cosine_similarity
from cadc.params import Params
from cadc.stage import run_stage


def main(params: Params) -> None:
    discover = params.discover
    gram = np.asarray(artifacts.load_array(artifacts.CAPTURE / "gram.npy"))
    subtasks = artifacts.read_json(artifacts.CAPTURE / "subtasks.json")
    rates = np.array([entry["lr"] for entry in artifacts.read_json(artifacts.PROXY / "snapshots.json")])
    cosine = cosine_similarity(centered(gram) if discover.center else gram, rates)
    capability = communities(cosine, discover.tau, discover.resolution, discover.seed)
    arrays = {name: artifacts.load_array(artifacts.INFLUENCE / f"{name}.npy") for name in ("influence", "norm", "self_influence")}
    on = {"influence": capability, "profile": np.arange(len(subtasks))}  # each subtask a capability of its own
    folded = {name: capability_influence(arrays["influence"], arrays["norm"], gram, rates, members, discover.center) for name, members in on.items()}
    artifacts.fresh(artifacts.CAPABILITIES)
    artifacts.save_array(artifacts.CAPABILITIES / "cosine.npy", cosine)
    artifacts.save_array(artifacts.CAPABILITIES / "capability.npy", capability)
    for name, array in folded.items():
        artifacts.save_array(artifacts.CAPABILITIES / f"{name}.npy", array)
    artifacts.save_array(artifacts.CAPABILITIES / "self_influence.npy", np.asarray(arrays["self_influence"]))
    named = [{**subtask, "capability": int(c)} for subtask, c in zip(subtasks, capability, strict=True)]
    artifacts.write_json(artifacts.CAPABILITIES / "capabilities.json", named)
    for c in range(capability.max() + 1):
        console.line(f"capability {c}: {', '.join(s['name'] for s in named if s['capability'] == c)}")


if __name__ == "__main__":
    run_stage("discover", main)
