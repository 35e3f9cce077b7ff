"""mini_vqa: open short answers about the mini world, in the manner of VQAv2 and GQA (ours)."""


def doc_to_visual(doc):
    return [doc["image"].convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    kwargs = lmms_eval_specific_kwargs or {}
    return f"{kwargs.get('pre_prompt', '')}{doc['question']}{kwargs.get('post_prompt', '')}"


def process_results(doc, results):
    """Exact match after lower-casing and stripping, as GQA scores."""
    return {"exact_match": float(results[0].strip().lower() == doc["answer"].strip().lower())}
