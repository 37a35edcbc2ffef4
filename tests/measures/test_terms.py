import numpy as np

from headway_measures.drift.results import Term
from headway_measures.drift.terms import find_terms
from headway_measures.representations import HashedText

NOUNS = ["house", "river", "table", "garden", "window", "letter", "music", "bread", "stone"]


def sentences(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"The {' '.join(rng.choice(NOUNS, 6))} is here." for _ in range(count)]


def terms_of(ref: list[str], cur: list[str], units: list[int] | None = None) -> list[Term]:
    texts = ref + cur
    is_current = np.arange(len(texts)) >= len(ref)
    numbers = np.arange(len(texts)) if units is None else np.array(units)
    return list(find_terms(texts, is_current, numbers, HashedText().rows(texts)))


def test_a_refusal_is_named_with_its_shares() -> None:
    cur = sentences(200, 1)
    cur[:80] = ["I'm sorry, but I can't assist with that."] * 80

    found = terms_of(sentences(200, 0), cur)

    first = found[0]
    assert (first.text, first.kind) == ("I'm sorry, but I can't assist with that.", "answer")
    assert (first.share_ref, first.share_cur) == (0.0, 0.4)
    assert first.q_value < 1e-9
    assert [term.text for term in found if "sorry" in term.text.lower()] == [first.text]


def test_a_new_opener_is_named_before_its_words() -> None:
    cur = [f"Sure, here goes: {text}" for text in sentences(200, 1)]

    found = terms_of(sentences(200, 0), cur)

    assert found[0] == Term(
        "sure here goes", "opener", 0.0, 1.0, found[0].p_value, found[0].q_value
    )
    assert not {"sure", "here goes"} & {term.text for term in found}


def test_a_change_of_signs_alone_is_shown_by_signs() -> None:
    texts = sentences(200, 0)

    found = terms_of(texts, [text.replace(".", "!!!") for text in texts])

    assert {term.kind for term in found} == {"chars"}
    assert "!!" in found[0].text
    assert found[0].share_cur == 1.0


def test_formats_are_named() -> None:
    cur = [f"```\n{text}\n```" for text in sentences(200, 1)]

    found = {term.text for term in terms_of(sentences(200, 0), cur) if term.kind == "format"}

    assert "code fence" in found


def test_what_became_rarer_comes_after_what_became_commoner() -> None:
    found = terms_of(
        [f"Well {text}" for text in sentences(200, 0)],
        [f"Now {text}" for text in sentences(200, 1)],
    )

    rises = [term.share_cur > term.share_ref for term in found]
    assert rises == sorted(rises, reverse=True)
    assert {True, False} == set(rises)
    assert rises.count(True) <= 12


def test_texts_alike_have_no_terms() -> None:
    assert terms_of(sentences(300, 0), sentences(300, 1)) == []
    assert terms_of(["same"] * 60, ["same"] * 60) == []
    assert terms_of([""] * 60, ["\ud800"] * 60) != []


def test_calls_of_one_session_count_once() -> None:
    ref, cur = sentences(200, 0), sentences(200, 1)
    cur[:40] = [f"{text} Amen." for text in cur[:40]]

    alone = {term.text for term in terms_of(ref, cur)}
    together = terms_of(ref, cur, [*range(200), *[1_000] * 40, *range(2_000, 2_160)])

    assert "amen" in alone
    assert together == []


def test_code_that_comes_in_a_fence_is_named_with_it() -> None:
    ref = [f"def run(): return {text}" for text in sentences(200, 0)]
    cur = [f"```python\ndef run(): return {text}\n```" for text in sentences(200, 1)]

    found = terms_of(ref, cur)

    assert "```python def run" in {term.text for term in found if term.kind == "opener"}
    assert "python" not in {term.text for term in found}


def test_code_in_the_middle_of_a_text_is_named_with_its_fence() -> None:
    cur = [f"{text}\n```python\n{text}\n```" for text in sentences(200, 1)]

    found = terms_of(sentences(200, 0), cur)

    assert any(term.text.startswith("```python") for term in found if term.kind == "word")
