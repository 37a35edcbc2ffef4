"""What an answer does, by its wording: refuses, hedges, asks back, stops in mid-sentence.

The wordings are those of assistants at large, not of one model: an inability or an unwillingness
that the speaker states of itself, in the first sentences. An apology alone is no refusal.
"""

from functools import cache

import numpy as np
import polars as pl

from headway_measures.descriptors.formats import Fences
from headway_measures.text_hashes import (
    Counts,
    Lexicon,
    Words,
    hashes_of,
    make_lexicon,
    pack_grams,
    read_characters,
    read_words,
    texts_of,
)

_REFUSAL_CHARS = 300
_TAIL_CHARS = 240
_UNFINISHED_WORDS = 20
_UNFINISHED_LINE_CHARS = 60

_CANNOT = (
    r"(?:can(?:'t|not| not)|won't|will not|(?:am|'m|are|be) (?:un|not )able to"
    r"|unable to|refuse to|decline to"
    r"|(?:am|'m) not (?:allowed|permitted|programmed|designed|comfortable|going)"
    r"|do(?:n't| not) (?:feel comfortable|engage|support|endorse|promote|condone))"
)
_ACT = (
    r"(?:assist|aid|help(?: you| with| in\b|[.,!])|fulfil|provide|comply|support|engage"
    r"|participate|create|generate|produce|write|compose|offer|condone|endorse|promote|encourage"
    r"|justify|advise|recommend|suggest|share|disclose|discuss|respond|accommodate|continue with"
    r"|do (?:that|this|so)|give (?:you|any|advice)|tolerate|make (?:such|any)"
    r"|answer(?:ing)? (?:that|this|your|such|any|the question))"
)
_MODEL = r"(?:ai|a\.i\.|artificial intelligence|language model|llm|chatbot)"
_REFUSALS = (
    # I cannot (and will not) assist ...
    rf"\b(?:i|we)(?: \w+)? ?{_CANNOT}(?:[ ,]+(?:\w+[ ,]+){{0,4}}?){_ACT}",
    # Sorry, but I can't ... ; My apologies, but I won't be able to ...
    rf"\b(?:sorry|afraid|apologies|apologi[sz]e)\b[^.!?\n]{{0,80}}\b(?:i|we)(?: \w+)? ?{_CANNOT}",
    # As an AI language model, I do not have opinions / must / am committed to ...
    rf"\b(?:as|i'm|i am) an? (?:\w+ ){{0,2}}{_MODEL}\b[^.!?\n]{{0,120}}?\b(?:i|it)(?:'m|'s)? "
    rf"?(?:{_CANNOT}|do(?:n't| not) (?:have|hold|possess|form)|must|(?:am )?(?:committed"
    r"|programmed|designed)|strive|is not|am not|would not|have no|follow|adhere)",
    # I must respectfully decline ... ; I would rather not ... ; That is not something I can ...
    r"\b(?:i|we) (?:must|have to|need to|will have to)(?: \w+)? (?:decline|refuse)\b",
    r"\bi(?:'d| would) rather not\b|\bi(?:'d| would)? prefer not to\b",
    r"\b(?:not something|nothing)(?: that)? i(?:'m| am| can| could)\b",
    r"\bi do(?:n't| not) (?:have|hold|possess|form)(?: \w+)?"
    r" (?:personal|political|subjective|own) (?:\w+ or )?(?:opinion|belief|feeling|view|experience"
    r"|preference|thought|emotion|stance)",
    rf"\bmy (?:purpose|role|function|goal)(?: as [^.!?\n]{{0,40}})? is to\b[^.!?\n]{{0,160}}"
    rf"(?:{_CANNOT}|\bnot to\b)",
    r"\b(?:against|violates?) (?:my|our|openai's|the|content|usage|community|(?:ethical|moral)"
    r"(?: and (?:ethical|moral))?) (?:\w+ )?(?:programming|guidelines|polic(?:y|ies)"
    r"|principles|ethics|values|terms)\b",
    r"\b(?:it(?:'s|'d| is| would)|is|are) not (?:be )?(?:ethical|appropriate|acceptable|okay"
    r"|justifiable),? (?:or \w+ )?(?:for me )?to (?:[a-z]{4}|try |use |do |say |ask )",
    # German, French, Spanish, Portuguese, Italian, Dutch, the Scandinavian ones, Polish, Czech
    r"\bich kann (?:\w+[ ,]+){0,6}nicht (?:helfen|unterst|weiterhelfen|bei|erf)"
    r"|\bkann ich (?:\w+[ ,]+){0,6}nicht (?:helfen|unterst|weiterhelfen|beantworten|tun\b)"
    r"|\bals ki\b[^.!?\n]{0,60} (?:habe|kann|darf) ich (?:\w+ ){0,3}(?:keine|nicht)",
    r"\bje ne (?:peux|suis) pas (?:en mesure|vous aider|t'aider|fournir|r[ée]pondre|aider)"
    r"|\bje n'ai pas d'opinion",
    r"\blo siento\b[^.!?\n]{0,40}\bno puedo\b|\bno puedo (?:ayudar|proporcionar|cumplir|responder)"
    r"|\bno tengo opiniones",
    r"\bn[ãa]o posso (?:ajudar|fornecer|atender|cumprir|responder)|\bn[ãa]o tenho opini"
    r"|\bnon posso (?:aiutar|fornire|soddisfare|rispondere)|\bnon ho opinioni",
    r"\b(?:kan ik|ik kan) (?:\w+ ){0,4}niet (?:helpen|mee helpen|beantwoorden)"
    r"|\bkan (?:\w+ ){0,2}(?:inte|ikke) (?:hj[eä]lpa?|hjælpe|svara|besvar)",
    r"\bnie mog[ęe] (?:\w+ ){0,3}(?:pom[óo]c|odpowiedzie|udziel|spełni)"
    r"|\bnemohu (?:\w+ ){0,3}(?:pomoci|odpov|poskytn)",
    # Russian, Ukrainian, Turkish, Vietnamese, Indonesian, Arabic, Hindi, Chinese, Japanese, Korean
    r"не могу (?:вам )?(?:помочь|предоставить|выполнить|ответить)|у меня нет личн"
    r"|не можу (?:вам )?(?:допомогти|надати|виконати|відповісти)",
    r"yardımcı olamam|(?:yanıt|cevap)layamam|không thể (?:giúp|hỗ trợ|cung cấp|trả lời)"
    r"|tidak (?:dapat|bisa) (?:membantu|memberikan|menjawab)",
    r"لا (?:أستطيع|يمكنني) (?:مساعد|المساعد|تقديم|الإجابة)|मदद नहीं कर सकत",
    r"(?:无法|不能)(?:提供|协助|帮助|回答|满足)|没有个人(?:的)?(?:观点|意见|看法)"
    r"|(?:お手伝い|お答え|対応)(?:することは)?でき(?:ません|かね)|個人的な意見(?:は|を)(?:持|あり)"
    r"|(?:도와|들어|답변해? ?)드릴 수 없|제공할 수 없|개인적인 의견(?:이|을)",
)
# Boundaries and letters of ASCII and Latin-1 keep the patterns on the engine's fast path.
_REFUSAL = "|".join(_REFUSALS).replace(r"\b", r"(?-u:\b)").replace(r"\w", "[a-zà-ÿ]")

_HEDGES = {
    1: "perhaps|maybe|might|possibly|probably|presumably|likely|apparently|arguably|roughly|seems"
    "|seem|appears|appear|generally|typically|vielleicht|möglicherweise|wahrscheinlich|quizás"
    "|probablement|probablemente|talvez|forse|potentially|seemingly|supposedly|conceivably",
    2: "could be|may be|may not|not sure|not certain|entirely sure|quite sure|it depends|i think"
    "|i believe|i guess|i suppose|i assume|my opinion|tend to|tends to|my knowledge|peut être"
    "|tal vez|not necessarily",
    3: "it s possible|hard to say|difficult to say|as far as",
}
"""By how many words each has."""

_ASKS = (
    r"[?？؟][^\p{L}\p{N}]*$"
    r"|\b(?:could|can|would) you (?:please |kindly )?(?:provide|clarify|specify|share|tell me"
    r"|confirm|give me|elaborate)\b"
    r"|\bplease (?:provide|clarify|specify|share|confirm|let me know)\b"
    r"|\blet me know (?:which|what|whether)\b"
)

_CUT_REASON = r"(?i)length|max_?(?:output_?|completion_?)?tokens|token_?limit"
_BARE_END = r"[^.!?:\n]{15}[\p{L},;–—-]\s*$"
_OPEN_END = r"[(\[{]\s*$"
_LAST_LINE = r"([^\n]*\S)\s*$"
# An item, a line of code, a field such as an agent's "Action Input: ...", an address or a tag.
_NO_PROSE = (
    r"^\s*(?:[-*+•>|#]|\d{1,3}[.)]\s)|^(?: {2,}|\t)|^[A-Z][\w-]*(?: [A-Z]?[\w-]+){0,2}:\s"
    r"|[/@#_=\\]\S*$"
)
_LINKING_END = (
    r"(?i)\b(?:the|an?|of|and|or|to|in|for|with|is|are|was|be|that|which|by|from|as|at|on|if"
    r"|because|this|these|your|our|their|its|der|die|das|und|oder|ein|eine|mit|von|zu|le|la|les|de"
    r"|des|et|du|el|los|las|y|que|en)\s*$"
)


def find_refusals(texts: pl.Series) -> pl.Series:
    """Return which answers decline what was asked, by their first 300 characters."""
    return _fold(texts.str.slice(0, _REFUSAL_CHARS)).str.contains(_REFUSAL)


def count_hedges(words: Words) -> Counts:
    """Return how many words of each answer take something back: perhaps, might, it depends."""
    counts = np.zeros(words.counts.size, np.int64)
    for size in _HEDGES:
        keys = pack_grams(words, size)
        texts = texts_of(keys[_hedges(size).find(hashes_of(keys)).places])
        counts += np.bincount(texts, minlength=counts.size)
    return counts


@cache
def _hedges(size: int) -> Lexicon:
    words = read_words(read_characters(_HEDGES[size].split("|")))
    return make_lexicon(hashes_of(pack_grams(words, size)))


def find_questions(texts: pl.Series) -> pl.Series:
    """Return which answers end in a question or ask for more."""
    return _fold(texts.str.slice(-_TAIL_CHARS)).str.contains(_ASKS)


def find_truncations(
    texts: pl.Series, fences: list[Fences], word_counts: Counts, finish_reasons: pl.Series
) -> pl.Series:
    """Return how each answer was cut off: ``length``, ``no_end``, or null where it was not.

    ``length`` is what the model says. Where it says nothing, ``no_end`` is an answer that stops
    inside a fence or a sentence: in an article or the like, or in a long line of prose without
    anything that ends one.
    """
    tails = texts.str.slice(-_TAIL_CHARS)
    last_lines = tails.str.extract(_LAST_LINE).fill_null("")
    is_prose = ~last_lines.str.contains(_NO_PROSE) & (
        last_lines.str.len_chars() >= _UNFINISHED_LINE_CHARS
    )
    stops = tails.str.contains(_BARE_END) & is_prose
    stops |= tails.str.contains(_LINKING_END) | tails.str.contains(_OPEN_END)
    is_long = pl.Series(word_counts >= _UNFINISHED_WORDS, dtype=pl.Boolean)
    is_open = pl.Series([fence.is_open for fence in fences], dtype=pl.Boolean)
    is_cut = finish_reasons.str.contains(_CUT_REASON).fill_null(False)
    is_silent = finish_reasons.is_null() | (finish_reasons == "")
    return pl.select(
        pl.when(is_cut)
        .then(pl.lit("length"))
        .when(is_silent & (is_open | (is_long & stops)))
        .then(pl.lit("no_end"))
    ).to_series()


def _fold(texts: pl.Series) -> pl.Series:
    return texts.str.to_lowercase().str.replace_all("[’‘ʼ´`]", "'").str.replace_all(r"\s+", " ")
