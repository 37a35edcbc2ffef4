"""Every descriptor of every call: a frame of texts in, a frame of plain columns out.

A row's values depend on its own texts alone; slices are cut so that their arrays stay in a
processor's cache, and so that one answer of a megabyte is not held beside a thousand others.
"""

from collections.abc import Iterator

import polars as pl

from headway_measures.descriptors import characters, formats, languages, phrases, privacy, words
from headway_measures.descriptors.catalog import SCHEMA
from headway_measures.text_hashes import (
    DIGIT,
    PUNCTUATION,
    UPPER,
    Characters,
    Words,
    fold_texts,
    hash_text,
    read_characters,
    read_words,
)

_INPUT = ("prompt", "answer", "finish_reason")
_SLICE_ROWS = 512
_SLICE_BYTES = 2_000_000


def describe(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the descriptors of each call, in the order of the rows.

    Args:
        frame: with ``prompt``, ``answer`` and ``finish_reason``, texts or null (`readings` makes
            the first two of what is stored).
    """
    texts = frame.select(pl.col(name).cast(pl.String) for name in _INPUT)
    described = [_describe_slice(each) for each in _cut(texts)]
    return pl.concat(described) if described else pl.DataFrame(schema=SCHEMA)


def _cut(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Return slices of few rows and, where they have more than one, of few bytes."""
    sizes = frame.select(
        pl.sum_horizontal(pl.col("prompt", "answer").str.len_bytes().fill_null(0))
    ).to_series()
    start = held = 0
    for row, size in enumerate(sizes):
        if row > start and (row - start == _SLICE_ROWS or held + size > _SLICE_BYTES):
            yield frame.slice(start, row - start)
            start, held = row, 0
        held += size
    if frame.height > start:
        yield frame.slice(start)


def _describe_slice(frame: pl.DataFrame) -> pl.DataFrame:
    prompts, answers = frame["prompt"].fill_null(""), frame["answer"].fill_null("")
    prompt_texts, answer_texts = prompts.to_list(), answers.to_list()
    prompt_characters = read_characters(prompt_texts)
    answer_characters = read_characters(answer_texts)
    prompt_words, answer_words = read_words(prompt_characters), read_words(answer_characters)
    of_prompts = _describe_prompts(prompts, prompt_texts, prompt_characters, prompt_words)
    of_answers = _describe_answers(answers, answer_texts, answer_characters, answer_words)
    of_answers |= _read_forms(answers, answer_words, frame["finish_reason"])
    copied = {"prompt_copy_share": words.measure_copying(answer_words, prompt_words)}
    has_prompt, has_answer = frame["prompt"].is_not_null(), frame["answer"].is_not_null()
    columns = (
        _blank(of_prompts, ~has_prompt)
        | _blank(of_answers, ~has_answer)
        | _blank(copied, ~(has_prompt & has_answer))
    )
    return pl.DataFrame(columns, schema=SCHEMA)


def _describe_prompts(
    prompts: pl.Series, texts: list[str], found: Characters, said: Words
) -> dict[str, pl.Series]:
    # A prompt without text (an image alone) is not the same as the next one without.
    hashes = [hash_text(text) if text else None for text in texts]
    return {
        "prompt_hash": pl.Series(hashes, dtype=pl.Int64),
        "prompt_chars": pl.Series(found.lengths),
        "prompt_words": pl.Series(said.counts),
        "prompt_lines": pl.Series(characters.count_lines(found)),
        "prompt_language": languages.detect_languages(found, said),
        "prompt_pii": privacy.find_pii(prompts),
        "has_prompt_code": formats.has_code(prompts),
        "prompt_digit_share": characters.measure_share(found, DIGIT),
    }


def _describe_answers(
    answers: pl.Series, texts: list[str], found: Characters, said: Words
) -> dict[str, pl.Series]:
    pairs, triples = words.measure_repetition(said, 2), words.measure_repetition(said, 3)
    first_sketch, second_sketch = words.sketch(said)
    return {
        "answer_hash": pl.Series(fold_texts(found).view("int64")),
        "sketch_1": first_sketch,
        "sketch_2": second_sketch,
        "answer_chars": pl.Series(found.lengths),
        "answer_words": pl.Series(said.counts),
        "answer_lines": pl.Series(characters.count_lines(found)),
        "digit_share": characters.measure_share(found, DIGIT),
        "punctuation_share": characters.measure_share(found, PUNCTUATION),
        "upper_share": characters.measure_share(found, UPPER),
        "non_ascii_share": characters.measure_non_ascii(found),
        "distinct_2": pairs.distinct,
        "distinct_3": triples.distinct,
        "max_repeat": pl.Series(triples.max_repeat),
        "zlib_ratio": characters.measure_compression(texts),
        "is_refusal": phrases.find_refusals(answers),
        "hedge_count": pl.Series(phrases.count_hedges(said)),
        "asks_back": phrases.find_questions(answers),
        "answer_language": languages.detect_languages(found, said),
        "answer_pii": privacy.find_pii(answers),
    }


def _read_forms(answers: pl.Series, said: Words, finish_reasons: pl.Series) -> dict[str, pl.Series]:
    fences = formats.read_fences(answers)
    json_forms = formats.read_json_forms(answers, fences)
    beginnings = formats.read_beginnings(answers.to_list())
    truncations = phrases.find_truncations(answers, fences, said.counts, finish_reasons)
    return {
        "template_hash": beginnings.template_hashes,
        "fence_count": pl.Series([fence.count for fence in fences], dtype=pl.Int64),
        "fence_language": pl.Series([fence.language for fence in fences], dtype=pl.String),
        "opener": beginnings.openers,
        "markdown_share": formats.measure_markdown(answers),
        "is_json": json_forms.is_json,
        "is_json_broken": json_forms.is_broken,
        "is_truncated": truncations.is_not_null(),
        "truncation": truncations,
    }


def _blank(columns: dict[str, pl.Series], is_absent: pl.Series) -> dict[str, pl.Series]:
    """Return the columns with null where there is no text to speak of."""
    if not is_absent.any():
        return columns
    return {name: characters.blank(column, is_absent) for name, column in columns.items()}
