"""What test_parallel.py has one process do and two: `accelerate launch ... two_processes.py`, in a folder that holds
pool.parquet."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.launch import team

ROOT = Path(__file__).parents[2]
WITHOUT_CONNECTOR = r".*language_model.*_proj|.*vision_tower.*(q|v)_proj"
EVERYWHERE = rf"{WITHOUT_CONNECTOR}|.*multi_modal_projector\.linear_[12]"
CONNECTOR = r".*multi_modal_projector\.linear_[12]"
CASES = ["parts", "adaptive", "score_net", "proxy", "full"]
#: Batches of five in two processes: three rows and two; the last has one row, so that the second process has none.
SETTINGS = {"batch_size": 5, "epsilon": 1e-4, "warmup_share": 0.0}
PLAN = dict(
    variant="paper", objective="loss", order="change", gap=0.25, temperature=1.0, exploration=0.1, rows_per_cluster=4,
    measure_share=1.0, epsilon=1e-3, passes="first", shuffled=False,
)  # fmt: skip


def task() -> shards.Task:
    import pyarrow.parquet as pq  # here: the process that only starts the two need not wait for all this
    import torch
    from safetensors.torch import load_file, save_file

    from cadc.config.params import Lora, load_params
    from cadc.features.score_net import train_score_net
    from cadc.model.adapters import save_adapter
    from cadc.model.encode import EncodedRows
    from cadc.model.load import add_lora, load_base, load_processor, trainable, unfrozen
    from cadc.training.adaptive import Plan
    from cadc.training.checkpoint import Checkpoint
    from cadc.training.finetune import finetune
    from cadc.training.optimizer import in_float32
    from cadc.training.parallel import save_tuned
    from cadc.training.proxy import proxy_run
    from cadc.training.unlocking import UnlockedRows, tune

    torch.set_num_threads(1)
    params, pool = load_params(path=ROOT / "params.yaml"), pq.read_table("pool.parquet")
    model = params.model.model_copy(
        update={"path": str(ROOT / "models/mini"), "lora": Lora(rank=2, alpha=4, targets=EVERYWHERE)}
    )
    settings, processor = params.finetune.model_copy(update=SETTINGS), load_processor(model)

    def fresh():
        return add_lora(load_base(model), model.lora, 0)

    def proxy(folder: Path) -> None:
        """The proxy run with its snapshots, packed; goes on from its last checkpoint."""
        changed = params.proxy.model_copy(
            update=SETTINGS | {"checkpoint_steps": 2, "pool_fraction": 0.15, "snapshots": 2}
        )
        proxy_run(folder, pool, processor, params.model_copy(update={"proxy": changed, "model": model}), seed=0)

    def parts(folder: Path) -> None:
        """Micro-batches of two, checkpointed, padded, with dropout and the connector trained whole; the second process
        gets rows without images, then rows without answers."""
        lora = Lora(rank=2, alpha=4, targets=WITHOUT_CONNECTOR, dropout=0.1, whole=CONNECTOR)
        tuned, rows = add_lora(load_base(model), lora, 0), EncodedRows(pool, processor, 256)
        seen = [row for row in range(100) if pool["images"][row].as_py()]
        blind = [row for row in range(240) if not pool["images"][row].as_py()]
        for row in seen[7:10]:
            rows[row]["labels"].fill_(-100)
        order = [*seen[:2], *blind[:2], seen[2], *seen[5:10], seen[3], *seen[11:16]]
        options = model.model_copy(update={"packing": False, "gradient_checkpointing": True})
        how = settings.model_copy(update={"micro_batch": 2, "whole_learning_rate": 1e-4})
        losses = finetune(tuned, rows, torch.tensor(order).numpy(), how, options)
        if team()[0] == 0:
            save_adapter(tuned, folder)
            artifacts.save_array(folder / "loss.npy", losses)

    def adaptive(folder: Path) -> None:
        """A schedule that measures and chooses."""
        rows, cluster = UnlockedRows(pool, processor, 256), (torch.arange(pool.num_rows) % 5).numpy()
        made = tune(
            fresh,
            rows,
            Plan(**PLAN),
            cluster,
            torch.arange(0, 30, 3).numpy(),
            20,
            32,
            3,
            settings,
            model,
            folder.with_suffix(".checkpoint"),
        )
        if team()[0] == 0:
            save_adapter(made.model, folder)
            artifacts.save_array(folder / "loss.npy", made.losses)
            artifacts.save_selection(folder / "selection.parquet", made.selection)
            artifacts.save_array(folder / "rounds.npy", made.history)

    def score_net(folder: Path) -> None:
        """Micro-batches of two, with dropout and the connector trained whole; the last two of four batches show no
        picture. What is kept behind the last step holds AdamW's moments, and so the gradients."""
        lora = Lora(rank=2, alpha=4, targets=WITHOUT_CONNECTOR, dropout=0.1, whole=CONNECTOR)
        tuned, rows = add_lora(load_base(model), lora, 0), EncodedRows(pool, processor, 256)
        pictured = [len(images) > 0 for images in pool["images"].to_pylist()]
        seen, blind = ([row for row in range(100) if pictured[row] == shown] for shown in (True, False))
        order = [*seen[:7], blind[0], *seen[7:9], *blind[1:7]]
        how = settings.model_copy(update={"micro_batch": 2, "whole_learning_rate": 1e-4, "checkpoint_steps": 1})
        features, kept = torch.eye(pool.num_rows)[:, :16].numpy(), folder.with_suffix(".checkpoint")
        with in_float32(list(trainable(tuned).values())):
            difficulty = train_score_net(
                tuned, rows, features, torch.tensor(order).numpy(), how, model, 0.05, kept=kept
            )
        if team()[0] == 0:  # without the net's bias, which is of no account to a softmax: its gradient is rounding
            state = {name: tensor for name, tensor in load_file(kept).items() if not name.endswith("head.bias")}
            save_file(state, folder / "state.safetensors")
            artifacts.save_array(folder / "difficulty.npy", difficulty - difficulty.mean())
            kept.unlink()

    def full(folder: Path) -> None:
        """The language model's own weights, in micro-batches; breaks off in the fourth step and goes on."""
        order, how = torch.arange(23).numpy(), settings.model_copy(update={"micro_batch": 2, "checkpoint_steps": 2})

        class BreaksOff:
            marks = (15,)

            def __len__(self):
                return len(order)

            def __getitem__(self, examples):
                if examples.start >= 15:
                    raise InterruptedError
                return order[examples]

        def run(schedule):
            tuned = unfrozen(load_base(model), r".*language_model.*|lm_head.*")
            checkpoint = Checkpoint(folder.with_suffix(".checkpoint"))
            return tuned, finetune(
                tuned, EncodedRows(pool, processor, 256), schedule, how, model, checkpoint=checkpoint
            )

        with suppress(InterruptedError):
            run(BreaksOff())
        tuned, losses = run(order)
        save_tuned(tuned, folder, torch.float32)
        if team()[0] == 0:
            artifacts.save_array(folder / "loss.npy", losses)

    if os.environ.get("DIE"):
        Checkpoint.save = die_behind_a_checkpoint(Checkpoint.save)
    cases = {"proxy": proxy, "parts": parts, "adaptive": adaptive, "score_net": score_net, "full": full}
    return lambda name, folder: cases[name](folder)


def die_behind_a_checkpoint(save):
    """`Checkpoint.save` as it is, and then the end of this process, in the proxy run."""

    def dying(self, *args):
        save(self, *args)
        if "proxy" in str(self.path):
            os.kill(os.getpid(), signal.SIGKILL)

    return dying


if __name__ == "__main__":
    shards.run(task, CASES, "two", [], "two processes", together=True)
    print("done")
