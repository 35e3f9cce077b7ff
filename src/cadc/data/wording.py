"""How LLaVA's data and lmms-eval's tasks say things."""

IMAGE_TOKEN = "<image>"  # where a picture stands in a turn; LLaVA's format
SHORT_ANSWER = "Answer the question using a single word or phrase."  # LLaVA-1.5; POPE's task
MMT_LETTER = "Answer the question using a single character from the given options."  # MMT-Bench's task
LLAVA_LETTER = "Answer with the option's letter from the given choices directly."  # LLaVA-1.5


def question_alone(text: str) -> str:
    """A benchmark's question without `<image>` (MMT-Bench's task has one in it): its pictures are shown in front."""
    return text.replace(IMAGE_TOKEN, "").strip()
