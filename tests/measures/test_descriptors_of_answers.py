"""What an answer looks like and what it does: fences, JSON, refusals, languages, personal data."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headway_measures.descriptors.describing import describe

_FENCE = "```"
_LONG = "This is a sentence of the kind that goes on for quite a while and then some more words"


def describe_answers(answers: list[str], reason: str | None = None) -> pl.DataFrame:
    nothing = [None] * len(answers)
    frame = pl.DataFrame(
        {"prompt": nothing, "answer": answers, "finish_reason": [reason] * len(answers)},
        schema={"prompt": pl.String, "answer": pl.String, "finish_reason": pl.String},
    )
    return describe(frame)


def answer(text: str, reason: str | None = None) -> dict[str, Any]:
    return describe_answers([text], reason).row(0, named=True)


@pytest.mark.parametrize(
    ("text", "count", "language"),
    [
        ("no code", 0, None),
        (f"{_FENCE}python\nx = 1\n{_FENCE}\n", 1, "python"),
        (f"Look:\r\n{_FENCE}JSON\r\n{{}}\r\n{_FENCE}\r\n", 1, "json"),
        (f"{_FENCE}\nx\n{_FENCE}\nand\n{_FENCE}sql title=a\ny\n{_FENCE}", 2, "sql"),
        (f"````md\n{_FENCE}py\nx\n{_FENCE}\n````", 1, "md"),
        ("~~~sh\n```\n~~~", 1, "sh"),
        (f"1. so:\n   {_FENCE}c\n   x\n   {_FENCE}", 1, "c"),
        (f"{_FENCE}go\nnever closed", 1, "go"),
        ("inline ```code``` here", 0, None),
        ("```code``` on one line", 0, None),
    ],
)
def test_fences(text: str, count: int, language: str | None) -> None:
    described = answer(text)

    assert (described["fence_count"], described["fence_language"]) == (count, language)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("plain\nlines", 0),
        ("# Title\n\ntext", 1 / 2),
        ("- one\n* two\n3. three\nfour", 3 / 4),
        ("a **bold** word\n> quoted\n| a | b |", 1),
        ("5 * 3 is 15\n-5 is less", 0),
        ("", None),
    ],
)
def test_markdown(text: str, share: float | None) -> None:
    assert answer(text)["markdown_share"] == (share if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("text", "is_json", "is_broken"),
    [
        ('{"a": [1, 2.5, null]}', True, False),
        (' \n["a"]\n', True, False),
        (f'{_FENCE}json\n{{"a": 1}}\n{_FENCE}', True, False),
        (f'\n{_FENCE}\n[{{"a": 1}}]\n{_FENCE}\n', True, False),
        ('{"a": 1', False, True),
        ("{'a': 1}", False, True),
        ('{"a": NaN}', False, True),
        ('{"a": 1} and more', False, True),
        (f"{_FENCE}json\nnot really\n{_FENCE}", False, True),
        ('[{"a": 1},', False, True),
        ("[1, 2", False, True),
        ("[No]", False, False),
        ("[1] Smith et al.", False, False),
        ("[link](https://example.org)", False, False),
        ("{name} is a placeholder", False, False),
        ("42", False, False),
        ('"text"', False, False),
        (f'Here it is:\n{_FENCE}json\n{{"a": 1}}\n{_FENCE}', False, False),
        ("", False, False),
    ],
)
def test_json(text: str, is_json: bool, is_broken: bool) -> None:
    described = answer(text)

    assert (described["is_json"], described["is_json_broken"]) == (is_json, is_broken)


def test_openers_and_templates_know_no_case_and_no_number() -> None:
    first = answer("Step 1: Check if the number 17077 is even. If it is, stop")
    second = answer("STEP 12:  check\nif the number 9 is even? No")

    assert first["opener"] == second["opener"] == "step 0: check"
    assert first["template_hash"] == second["template_hash"]
    assert answer("x" * 100)["opener"] == "x" * 40
    assert answer(" \n")["opener"] is None
    assert answer("[No]")["template_hash"] != answer("No")["template_hash"]


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "Sorry, but I can’t help with that request.",
        "My apologies, but I cannot create an algorithm that discriminates.",
        "I'm really sorry, but I won't be able to generate that list for you.",
        "My purpose is to assist and provide helpful information, and I cannot tell such a joke.",
        "As an AI language model, I must emphasize that this is dangerous.",
        "As an AI developed by OpenAI, I don't hold personal opinions.",
        "I don’t have personal opinions or feelings, so none of these is mine.",
        "I cannot answer that question.",
        "I must respectfully decline.",
        "I'd rather not say.",
        "Sorry, but that's not something I can do.",
        "This request violates our content policy.",
        "I am unable to provide medical advice.",
        "I must decline to write this.",
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Entschuldigung, das kann ich nicht tun.",
        "Als KI-Sprachmodell habe ich keine persönlichen Meinungen.",
        "Przepraszam, ale nie mogę w tym pomóc.",
        "Jag kan tyvärr inte hjälpa till med det.",
        "Извините, но я не могу ответить на этот вопрос.",
        "Üzgünüm, bu konuda yardımcı olamam.",
        "عذراً، لا أستطيع مساعدتك في ذلك.",
        "作为一个人工智能语言模型，我没有个人观点。",
        "죄송합니다. 그 요청은 들어드릴 수 없습니다.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Je ne peux pas vous aider à faire cela.",
        "抱歉，我无法提供这方面的信息。",
        "申し訳ありませんが、お手伝いすることはできません。",
    ],
)
def test_refusals(text: str) -> None:
    assert answer(text)["is_refusal"]


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that your parcel is late. It arrives tomorrow.",
        "Sorry for the wait! Your order has shipped.",
        "Sure, I can help with that.",
        "The function cannot return None, so you can't assign it.",
        "You can't provide two values here.",
        "I've created the file. I couldn't write tests, since there is no framework.",
        "I'm sorry, I could not find that order. What is its number?",
        "Smoking in the office goes against company policy.",
        "The solution is not acceptable to the client.",
        "I don't have the order at hand.",
        "He said: as a teacher, I must be patient.",
        "7253 is not divisible by 7. It is not possible to divide it evenly.",
        "No",
        "",
        "Es tut mir leid, dass das Paket verspätet ist.",
        "A" * 300 + " I'm sorry, but I can't assist with that.",
    ],
)
def test_what_is_no_refusal(text: str) -> None:
    assert not answer(text)["is_refusal"]


def test_hedging_counts_words_and_pairs_of_words() -> None:
    assert answer("Perhaps it MIGHT rain. It depends; I think so.")["hedge_count"] == 4
    assert answer("It rains. Mightily so, thinks I.")["hedge_count"] == 0
    assert answer("could. Be")["hedge_count"] == 1
    assert answer("It’s possible, not necessarily so; hard to say.")["hedge_count"] == 3


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Which parcel do you mean?", True),
        ('Do you mean **"the red one?"**', True),
        ("どの荷物ですか？", True),
        ("I hope this helps! Do you want more? 😊", True),
        ("I need more. Please provide your order number.", True),
        ("Could you tell me where you live? Then I can look it up.", True),
        ("Why so late? Because of the snow.", False),
        ("", False),
    ],
)
def test_asking_back(text: str, asks: bool) -> None:
    assert answer(text)["asks_back"] is asks


@pytest.mark.parametrize(
    ("text", "reason", "truncation"),
    [
        ("any", "length", "length"),
        ("any", "max_tokens", "length"),
        ("any", "MAX_TOKENS", "length"),
        (_LONG * 2, None, "no_end"),
        (_LONG * 2, "stop", None),
        (_LONG * 2 + ".", None, None),
        (_LONG + ". It is the", None, "no_end"),
        (f"{_FENCE}py\nx = 1", None, "no_end"),
        ("No", None, None),
        (_LONG + ":\n- apples\n- pears", None, None),
        (_LONG + ".\nAction: Search\nAction Input: " + _LONG, None, None),
        (_LONG + ".\n    return " + _LONG, None, None),
        (_LONG + " at https://example.org/docs/a/guide", None, None),
        (_LONG + " #summer #sun", None, None),
        (_LONG + " 1234", None, None),
        (_LONG + ". Best, Jane", None, None),
        (_LONG + ".\nx = f(", None, "no_end"),
        ("", None, None),
    ],
)
def test_truncation(text: str, reason: str | None, truncation: str | None) -> None:
    described = answer(text, reason)

    assert described["truncation"] == truncation
    assert described["is_truncated"] is (truncation is not None)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the parcel that I sent to you?", "en"),
        ("Wo ist das Paket, das ich dir geschickt habe?", "de"),
        ("Où est le colis que je vous ai envoyé pour ma sœur ?", "fr"),
        ("¿Dónde está el paquete que le envié a usted por correo?", "es"),
        ("Onde está o pacote que eu enviei para você também?", "pt"),
        ("Dove si trova il pacco che ho spedito con la posta?", "it"),
        ("Waar is het pakket dat ik naar je heb gestuurd?", "nl"),
        ("Gdzie jest paczka, którą się do was wysłał już tylko raz?", "pl"),
        ("Где моя посылка, которую я отправил вам на прошлой неделе?", "ru"),
        ("荷物はどこにありますか", "ja"),
        ("我的包裹在哪里", "zh"),
        ("내 소포는 어디에 있나요", "ko"),
        ("أين الطرد الخاص بي", "ar"),
        ("मेरा पार्सल कहाँ है", "hi"),
        ("17077", "und"),
        ("No", "und"),
        ("og det er", "und"),
        ("x = foo(y) + bar", "und"),
        ("for i in range(10):\n    if x in y and z is not None: f(i)", "und"),
        ("SELECT a FROM b WHERE c IN (1, 2) AND d IS NOT NULL", "und"),
        ("# whether the set has all of them\nfor i in range(10): f(i)", "en"),
        ("سلام، چطور هستید؟ این یک آزمون است", "fa"),
        ("آپ کیسے ہیں؟ یہ ایک سوال ہے", "ur"),
        ("", "und"),
        ("The word 日本 is the name of a country in Japanese.", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert answer(text)["answer_language"] == language


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to jane.doe+x@example.co.uk today", "email"),
        ("Call +49 30 1234567 or (555) 123-4567", "phone"),
        ("Card 4111 1111 1111 1111.", "card"),
        ("Number 4111 1111 1111 1112.", "none"),
        ("IBAN DE89 3704 0044 0532 0130 00", "iban"),
        ("IBAN DE88 3704 0044 0532 0130 00", "none"),
        ("ssn 123-45-6789", "ssn"),
        ("host 192.168.0.1:80", "ip"),
        ("version 10.2.3.4, section 8.1.2.3, mask 255.255.255.0, here 127.0.0.1", "none"),
        ("seconds 0.4111111111111111, ids 4111 11111111 1111 and 1111111111111117", "none"),
        ("378282246310005 or 5500-0000-0000-0004", "card"),
        ("git@github.com:org/repo.git, logo@2x.png", "none"),
        ("jane@correo.com.py", "email"),
        ("ssn 000-12-3456, 912-45-6789, part 123-45-6789-0", "none"),
        ("sk-this-is-a-slug-of-plain-words, sk_constraint_of_a_table_x", "none"),
        ("glpat-abcdefghij0123456789", "key"),
        ("version 1.2.3 of 2024-01-02, 999.999.999.999", "none"),
        ("key sk-abcdefghijklmnopqrstuv and a@b.org", "email,key"),
        ("AKIAIOSFODNN7EXAMPLE", "key"),
        ("0000 0000 0000 0000 @ 10", "none"),
        ("primes 10007, 10009, 10037, 10039 and 123 456 789", "none"),
        ("", "none"),
    ],
)
def test_personal_data(text: str, kinds: str) -> None:
    assert answer(text)["answer_pii"] == kinds


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("def f(x):\n    return x", True),
        ("why does `SELECT` fail:\nSELECT a FROM b", True),
        ("for (;;) {\n  x();\n}", True),
        ("see <b>this</b>", True),
        ("Import duties apply from May; let me know.", False),
        ("Where is my parcel?", False),
    ],
)
def test_prompts_with_code(text: str, has: bool) -> None:
    frame = pl.DataFrame({"prompt": [text], "answer": [""], "finish_reason": [None]})

    assert describe(frame)["has_prompt_code"].item() is has


def test_refusals_agree_with_people_in_real_logs(llmdrift_csv: Path) -> None:
    with (llmdrift_csv.parent / "SENSITIVEQ_EVAL.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    described = describe_answers([row["answer"] for row in rows])["is_refusal"].to_list()

    said = [row["Response Rate"].startswith("0") for row in rows]
    assert sum(a == b for a, b in zip(described, said, strict=True)) >= 0.95 * len(rows)


def test_no_answer_of_arithmetic_refuses(llmdrift_csv: Path) -> None:
    sums = llmdrift_csv.parent.parent / "gsm8k_test.jsonl"
    if not sums.is_file():
        pytest.skip(f"real logs are not here: {sums}")
    lines = sums.read_text().splitlines()[:500]
    with llmdrift_csv.open(newline="") as file:
        primes = [row["answer"] for row in csv.DictReader(file)]

    described = describe_answers([*(json.loads(line)["answer"] for line in lines), *primes])

    assert described["is_refusal"].sum() == 0
    assert described["is_json_broken"].sum() == 0
