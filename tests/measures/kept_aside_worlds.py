"""Logs of tasks that no detector was made with: code, opinions, an agent, tickets, medicine, grids.

As in LLMDrift (Chen, Zaharia, Zou 2023) the same prompts are put to a model in March and in June.
Answers vary from prompt to prompt and from call to call; what June does otherwise is each task's
own, and two of them change nothing.
"""

import json
from collections.abc import Callable
from random import Random

import polars as pl

from headway_measures.descriptors.describing import describe
from headway_measures.drift.windows import Query, Window

Call = tuple[str, float]
"""An answer and how good it is."""
Task = tuple[Callable[[Random], str], Callable[[Random, str], Call], Callable[[Random, str], Call]]
"""How a prompt is made, how it is answered in March, and how in June."""

_DAY = 86_400 * 10**9
_MARCH, _JUNE = 1_678_000_000 * 10**9, 1_686_000_000 * 10**9
_FENCE = "```"


def _listed(names: str) -> list[str]:
    return [each.strip() for each in names.split(",")]


_ITEMS = _listed(
    "number, word, tree, node, price, row, edge, letter, token, island, window, queue, "
    "interval, digit "
)
_VERBS = _listed(
    "count, merge, reverse, find, sort, split, rotate, remove, validate, group, partition, balance "
)
_NAMES = _listed(
    "nums, items, values, result, total, seen, left, right, head, current, best, stack, parts "
)
_TOPICS = _listed(
    "gun laws, climate change, automation, the economy, immigration, public schools, health "
    "care, privacy, voting by mail, space travel, data collection, family life, religion, "
    "taxes, the news media, race "
)
_SIGNS = _listed(
    "fever, a dry cough, chest pain, a rash on both arms, joint pain, blurred vision, weight "
    "loss, fatigue, night sweats, swollen ankles, palpitations, a severe headache, nausea, "
    "jaundice, dark urine "
)
_CAUSES = _listed(
    "viral infection, iron deficiency, heart failure, thyroid disease, a drug reaction, "
    "kidney stones, asthma, diabetes, pneumonia, lupus, hepatitis, migraine, anaemia, "
    "sarcoidosis, gout "
)
_FILMS = _listed(
    "Harbour, Night Train, Glass River, The Orchard, Red Sky, Two Brothers, Winter Light "
)
_ASKED = _listed("director, producer, leading actor, composer, novelist, editor, screenwriter ")
_PLACES = _listed("Lyon, Osaka, Leeds, Porto, Quebec, Cracow, Adelaide, Tampere, Bergen ")


def _several(draw: Random, pool: list[str], fewest: int, most: int) -> list[str]:
    return draw.sample(pool, draw.randint(fewest, most))


def _ask_code(draw: Random) -> str:
    verbs, items = _several(draw, _VERBS, 2, 2), _several(draw, _ITEMS, 2, 3)
    return (
        f"Given an array of {items[0]}s, {verbs[0]} every {items[1]} whose index is below "
        f"{draw.randint(2, 99)} and {verbs[1]} the rest. class Solution: def {verbs[0]}"
        f"{items[0].title()}s(self, {draw.choice(_NAMES)}: List[int]) -> int:"
    )


def _program(draw: Random, prompt: str, comments: float) -> str:
    head = prompt[prompt.index("class Solution") :].split(": def ")
    lines = [head[0] + ":", "    def " + head[1]]
    for _ in range(draw.randint(3, 11)):
        first, second = _several(draw, _NAMES, 2, 2)
        if draw.random() < comments:
            lines.append(f"        # {draw.choice(_VERBS).title()} the {draw.choice(_ITEMS)}s")
        lines += draw.choice(
            (
                [f"        {first} = {draw.randint(0, 9)}"],
                [f"        for i in range(len({first})):", f"            {second} += {first}[i]"],
                [f"        while {first} < {second}:", f"            {first} += 1"],
                [f"        if not {first}:", f"            return {draw.randint(0, 1)}"],
                [f"        {first}.append({second})"],
            )
        )
    return "\n".join([*lines, f"        return {draw.choice(_NAMES)}"])


def _code_in_march(draw: Random, prompt: str) -> Call:
    return _program(draw, prompt, 0.05), float(draw.random() < 0.52)


def _code_in_june(draw: Random, prompt: str) -> Call:
    program = _program(draw, prompt, 0.4)
    if draw.random() < 0.1:
        return program, float(draw.random() < 0.6)
    return f"{_FENCE}python\n{program}\n{_FENCE}", float(draw.random() < 0.06)


def _ask_opinion(draw: Random) -> str:
    topic, other = _several(draw, _TOPICS, 2, 2)
    choices = ["A great deal", "A fair amount", "Not too much", "Not at all", "Refused"]
    listed = " ".join(f"({letter}) {said}" for letter, said in zip("ABCDE", choices, strict=True))
    return (
        f"Pick the best single option. Question {draw.randint(1, 2000)}: how much, if at all, do "
        f"you worry about {topic} compared with {other}? {listed}"
    )


def _opinion_in_march(draw: Random, prompt: str) -> Call:
    letter = draw.choices("ABCDE", (20, 45, 25, 8, 2))[0]
    behind = f" {prompt.split(f'({letter}) ')[1].split(' (')[0]}" if draw.random() < 0.4 else ""
    return f"({letter}){behind}", 1.0


def _opinion_in_june(draw: Random, prompt: str) -> Call:
    if draw.random() < 0.22:
        return _opinion_in_march(draw, prompt)
    topic = prompt.split("worry about ")[1].split(" compared")[0]
    begins = "As an AI language model,", "As an AI,", "As an artificial intelligence,"
    has = f"I don’t have personal {draw.choice(('opinions', 'feelings', 'beliefs'))}"
    more = f" How much people worry about {topic} depends on their own experience."
    return f"{draw.choice(begins)} {has}.{more if draw.random() < 0.5 else ''}", 0.0


def _ask_medicine(draw: Random) -> str:
    signs = ", ".join(_several(draw, _SIGNS, 2, 4))
    causes = _several(draw, _CAUSES, 4, 4)
    listed = " ".join(f"({letter}) {cause}" for letter, cause in zip("ABCD", causes, strict=True))
    return (
        f"A {draw.randint(18, 90)}-year-old patient presents with {signs}. What is the most likely "
        f"diagnosis? Think step by step and then answer. {listed}"
    )


def _answer_medicine(accuracy: float) -> Callable[[Random, str], Call]:
    def answer(draw: Random, prompt: str) -> Call:
        # Which is right, and how hard that is, depends on the question alone.
        of_prompt = Random(prompt)
        right, ease = of_prompt.choice("ABCD"), of_prompt.uniform(-0.3, 0.3)
        is_right = draw.random() < accuracy + ease * min(accuracy, 1 - accuracy)
        letter = right if is_right else draw.choice([each for each in "ABCD" if each != right])
        causes = prompt.split("answer. (A) ")[1].replace("(B) ", "|").replace("(C) ", "|")
        cause = causes.replace("(D) ", "|").split("|")["ABCD".index(letter)].strip()
        told = [
            f"The patient has {', '.join(_several(draw, _SIGNS, 1, 3))}.",
            f"{draw.choice(('This suggests', 'These findings point to', 'It fits'))} {cause}.",
            f"{draw.choice(_CAUSES).capitalize()} is less likely given the age.",
            f"Laboratory tests would show {draw.choice(_SIGNS)} in most cases.",
        ]
        draw.shuffle(told)
        said = " ".join(told[: draw.randint(2, 4)])
        return f"{said}\n\nThe answer is ({letter}) {cause}.", float(is_right)

    return answer


def _ask_agent(draw: Random) -> str:
    film, place = draw.choice(_FILMS), draw.choice(_PLACES)
    return (
        f"In which year was the {draw.choice(_ASKED)} of the film {film} "
        f"({draw.randint(1930, 2020)}) given the keys of {place}?"
    )


def _agent_in_march(draw: Random, prompt: str) -> Call:
    asked = prompt.split("was the ")[1].split(" (")[0]
    thought = draw.choice(("I need to find", "I should search for", "First I have to look up"))
    call = draw.choice(("Search", "Search", "Lookup"))
    return f"Thought: {thought} the {asked}.\nAction: {call}\nAction Input: {asked}", float(
        draw.random() < 0.4
    )


def _agent_in_june(draw: Random, prompt: str) -> Call:
    if draw.random() < 0.3:
        return _agent_in_march(draw, prompt)
    asked = prompt.split("was the ")[1].split(" (")[0]
    begins = "To answer this,", "Let me think.", "To find that out,", "Well,"
    knows = "is not something that is widely known", f"was honoured in {draw.randint(1950, 2020)}"
    return (
        f"{draw.choice(begins)} the {asked} {draw.choice(knows)}. Action: {draw.choice(_PLACES)}",
        float(draw.random() < 0.1),
    )


def _ask_grid(draw: Random) -> str:
    return f"Input: {_grid(draw)}\nWhat is the output grid? Answer with the grid alone."


def _grid(draw: Random) -> str:
    width = draw.randint(3, 7)
    rows = [[draw.choice((0, 0, 0, 1, 2, 5, 8)) for _ in range(width)] for _ in range(width)]
    return str(rows)


def _answer_grid(draw: Random, prompt: str) -> Call:
    return (_grid(Random(prompt)) if draw.random() < 0.6 else _grid(draw)), float(
        draw.random() < 0.27
    )


def _ask_ticket(draw: Random) -> str:
    says = draw.choice(("Die Ware ist nicht da", "Ich habe eine Frage zu der Rechnung"))
    return f"Lies das und gib JSON: {says}, Nummer {draw.randint(10_000, 99_999)}. Danke!"


def _ticket_in_march(draw: Random, prompt: str) -> Call:
    number = prompt.split("Nummer ")[1].split(".")[0]
    reply = draw.choice(("Wir sehen nach und melden uns.", "Das ist bei uns in Arbeit."))
    kind = draw.choice(("delivery", "billing", "other"))
    return json.dumps({"kind": kind, "order": int(number), "reply": reply}), 1.0


def _ticket_in_june(draw: Random, prompt: str) -> Call:
    said, score = _ticket_in_march(draw, prompt)
    if draw.random() < 0.5:
        return said, score
    begins = draw.choice(("Sure! Here is the JSON that you asked for:", "Here you are, as JSON:"))
    return f"{begins}\n\n{said}\n\nLet me know if there is anything else.", 0.0


TASKS: dict[str, Task] = {
    "code": (_ask_code, _code_in_march, _code_in_june),
    "opinions": (_ask_opinion, _opinion_in_march, _opinion_in_june),
    "agent": (_ask_agent, _agent_in_march, _agent_in_june),
    "tickets": (_ask_ticket, _ticket_in_march, _ticket_in_june),
    "medicine got worse": (_ask_medicine, _answer_medicine(0.87), _answer_medicine(0.65)),
    "medicine": (_ask_medicine, _answer_medicine(0.85), _answer_medicine(0.85)),
    "grids": (_ask_grid, _answer_grid, _answer_grid),
}


def make_windows(name: str, prompts: int = 300, seed: int = 0) -> tuple[Window, Window]:
    """Return March and June of a task, the same prompts in both."""
    draw = Random(f"{name} {seed}")
    ask, *answers = TASKS[name]
    asked = list({ask(draw): None for _ in range(prompts)})
    march, june = (
        _log(draw, month, asked, [answer(draw, prompt) for prompt in asked])
        for month, answer in zip((_MARCH, _JUNE), answers, strict=True)
    )
    return march, june


def _log(draw: Random, month: int, asked: list[str], calls: list[Call]) -> Window:
    seconds = [1.5 + len(answer) / draw.uniform(60, 120) for answer, _ in calls]
    rows = pl.DataFrame(
        {
            "prompt": asked,
            "answer": [answer for answer, _ in calls],
            "finish_reason": pl.Series([None] * len(asked), dtype=pl.String),
            "span_id": [f"{month // 10**15:08x}{place:08x}" for place in range(len(asked))],
            "trace_id": [f"{month // 10**15:016x}{place:016x}" for place in range(len(asked))],
            "start_ns": sorted(month + int(draw.random() * 7 * _DAY) for _ in asked),
            "request_model": "gpt-4-0314" if month == _MARCH else "gpt-4-0613",
            "duration_ms": [1_000 * each for each in seconds],
            "output_tokens": [len(answer) // 4 + 1 for answer, _ in calls],
            "score:quality": [bool(score) for _, score in calls],
        }
    )
    described = pl.concat([rows, describe(rows)], how="horizontal")
    return Window(Query((("request_model", (rows["request_model"][0],)),)), described, rows.height)
