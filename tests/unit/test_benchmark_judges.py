"""Judges of benchmarks over the mirror: a language model behind an endpoint, and the small one of our own."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import shutil

import pyarrow as pa
import pyarrow.parquet
import pytest
from hub_mirror import MMBENCH, Replies, table_of

from cadc.config.evaluation import Judge
from cadc.evaluation.benchmarks import load_tasks, run
from cadc.evaluation.judge import JudgeError, check_scores, judge
from cadc.evaluation.statistics import Samples, measure

JUDGED = ["mmbench_en_dev", "mmbench_cn_dev", "hallusion_bench_image", "llava_in_the_wild"]


def verdict(prompt, n):
    """A judge that grants thing1, and whatever is said to be so."""
    if "match an answer" in prompt:
        return "B" if "Answer: it could be that" in prompt else "E"
    if "Assess the correctness" in prompt:
        return "correct" if "Prediction answer:so it is" in prompt else "incorrect"
    return "10 7" if "so it is" in prompt else "10 2"


def test_a_language_model_judges_and_its_key_goes_nowhere(serve, mirror, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_ENDPOINT_CACHE", "replies")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = serve(verdict)
    words = {"mmbench": "it could be that", "hallusion": "so it is", "llava-in": "so it is"}
    with judge(Judge(url=server.url, model="m")) as asked:
        assert os.environ["OPENAI_API_KEY"] == "none"
        tasks = load_tasks(mirror, JUDGED, judged=True)
        said = Replies(
            lambda task, doc, i: next(
                text for start, text in words.items() if task.startswith(start.replace("-in", "_in"))
            )
        )
        metrics, samples = run(said, tasks)
        asked.check()
        table = table_of(samples)
        asked.check()
    figures = measure(Samples.of_table(table))
    assert figures["hallusion"] == metrics["hallusion_bench_image"]["aAcc"] == 100
    assert figures["llava_wild"] == pytest.approx(metrics["llava_in_the_wild"]["gpt_eval_llava_all"]) == 70
    for language in ("en", "cn"):
        alone = [row["score"] for row in table.to_pylist() if row["task"] == f"mmbench_{language}_dev"]
        assert alone == [float(row["answer"] == "B") for row in MMBENCH[1]]
        assert (
            figures[f"mmbench_{language}"] == pytest.approx(metrics[f"mmbench_{language}_dev"]["gpt_eval_score"]) == 0
        )
    assert set(server.asked.values()) == {1} and server.keys == {
        "Bearer secret-of-mine"
    }  # each prompt once, three metrics and two languages or not

    pa.parquet.write_table(table, tmp_path / "samples.parquet")
    (tmp_path / "metrics.json").write_text(str(metrics))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    assert len(written) > 20 and not any(b"secret-of-mine" in path.read_bytes() for path in written)
    assert "secret-of-mine" not in printed.out + printed.err + str(samples)
    shutil.rmtree(tmp_path / "replies")


@pytest.mark.parametrize("what, why", [("denied", "HTTP 401"), ("maybe", "unusable replies")])
def test_a_judge_that_fails_is_an_error_whatever_lmms_eval_makes_of_it(serve, mirror, tmp_path, monkeypatch, what, why):
    monkeypatch.setenv("CADC_ENDPOINT_CACHE", str(tmp_path))
    server = serve(lambda prompt, n: what)
    with judge(Judge(url=server.url, model="m")) as asked:
        run(
            Replies(lambda task, doc, i: "so it is"),
            load_tasks(mirror, ["mmbench_en_dev", "hallusion_bench_image"], judged=True),
        )
        with pytest.raises(JudgeError, match=why) as error:
            asked.check()
    assert "secret" not in str(error.value)


def test_llava_in_the_wild_has_a_judge_of_our_own(mirror):
    with judge(Judge(url=None, model="word-f1")) as asked:
        metrics, samples = run(
            Replies(lambda task, doc, i: doc["gpt_answer"] if i % 2 else "no"),
            load_tasks(mirror, ["llava_in_the_wild"]),
        )
        asked.check()
    check_scores(
        [(s["doc"]["question_id"], s["gpt_eval_llava_all"]["scores"]) for s in samples["llava_in_the_wild"]], asked.of
    )
    assert (
        measure(Samples.of_table(table_of(samples)))["llava_wild"]
        == pytest.approx(metrics["llava_in_the_wild"]["gpt_eval_llava_all"])
        == 50
    )
