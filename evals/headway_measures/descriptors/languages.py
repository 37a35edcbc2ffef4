"""The language of a text: by its script, or by the small words that no sentence goes without.

A list of thirty words a language tells sentences apart and leaves a single word, a number or a
line of code undetermined, which is an answer too: ``und``, as ISO 639-3 has it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.text_hashes import (
    WORD,
    Characters,
    Counts,
    Lexicon,
    Words,
    make_lexicon,
    read_characters,
    read_words,
)

UNDETERMINED = "und"

_STOP_WORDS = {
    "en": "the of and to in is you that it he was for on are as with his they i at be this have "
    "from or by but not what all we when your can there an which their if do will how about",
    "de": "der die und das den von zu ist mit sich des auf für nicht im dem ein eine als auch es "
    "an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über ich so",
    "fr": "le la les de des et est une un que pour dans pas qui sur au avec ce il sont par plus "
    "ne se mais nous vous je ou être cette aux elle leur été ces ont sa son même tout",
    "es": "el la los de que y en un una es por con para las del se no su al lo como más pero sus "
    "le este ya sí porque esta entre cuando muy sin sobre también hay está son fue ser",
    "pt": "o a os as de que e em um uma para com não do da no na por mais dos das se ao como mas "
    "foi ele são seu sua ou quando muito já eu também só pelo pela até isso entre está você",
    "it": "il la di che e in un una per non è con del della sono da si come le dei più anche al "
    "ma lo nel alla gli questo o ha se delle su ci essere tra io quando era cui nella",
    "nl": "de het een en van in is dat op te zijn met voor niet die aan er om ook als bij maar "
    "dan hij door naar wordt ik je nog uit over worden deze heeft wel kan hebben geen we",
    "sv": "och att det i en som är på av för med den till inte om ett han men var jag sig från "
    "vi så kan när man hade nu eller du har där vid efter ska också detta mot utan",
    "da": "og at det i en er som på af for med den til ikke de et han men var jeg sig fra vi så "
    "kan når man havde nu eller du har der ved efter skal også dette mod uden blev af",
    "no": "og å det i en er som på av for med den til ikke de et han men var jeg seg fra vi så "
    "kan når man hadde nå eller du har der ved etter skal også dette mot uten ble ei",
    "fi": "ja on ei se että oli hän joka mutta ovat myös kun sen tai niin kuin ole olen tämä voi "
    "vain hänen sitä mitä siitä minä sekä jos jotka ollut olla vielä mukaan nyt sinun",
    "pl": "w i na z nie że się do to jest o jak po co za od przez ale dla są oraz tym tego być "
    "może ich czy tylko które który jego był już kiedy także jako można pan ten ta",
    "cs": "a se v na je že to s z do o i ve pro jako ale jsem by podle byl po jeho ze které která "
    "který jsou jeho nebo však aby si už jen bylo mezi může při kdy tak od více také",
    "ro": "și de în a la cu pe nu este un o că din pentru se care mai sau ca sunt dar prin fi "
    "ce după au fost această acest fie lui ale nici dacă când pot între foarte sale",
    "hu": "a az és hogy nem is egy ez meg volt csak de ha mint már vagy azt el még ki van kell "
    "lehet nagyon ezt pedig után minden majd ezek sem olyan több amely szerint",
    "tr": "ve bir bu için ile de da çok daha gibi olarak ne kadar değil var en ben o olan sonra "
    "ama ya her mi ki veya şey ancak tarafından nasıl biz sen olduğu göre bunu",
    "vi": "là và của có không được một cho trong này các để với người những đã về như khi từ cũng "
    "tôi bạn thì đến nhưng phải hoặc nếu nhiều sẽ vào rất theo ra lại trên",
    "id": "yang dan di dengan untuk tidak dari ini dalam akan pada juga itu adalah ke karena bisa "
    "ada saya mereka lebih kami atau sudah oleh kita telah anda seperti dapat sebagai",
    "ru": "и в не на что я с он как это по но из у за то все от так же вы для бы к его ее мы или "
    "о она был быть только если при может также до чтобы когда их есть где вам мне нет еще меня "
    "который которая которую которые этот эта будет были очень",
    "uk": "і в не на що я з він як це по але у за то все від так же ви для до його її ми або "
    "про вона був бути тільки якщо при може також щоб коли їх є та й ця цей",
    "bg": "и в не на че аз с той като това по но от у за то всички така ви за да към го я ние "
    "или е се са беше само ако при може също когато те има със ще",
}

_LANGUAGES = tuple(_STOP_WORDS)

_KEYWORDS = "and as by do for from i if in is not on or this with"
"""English words of which code is full: they alone make no English."""

# Scripts that one language mostly writes, and the letters that only some of its writers have.
_SCRIPTS = {
    "ja": ((0x3040, 0x3100),),
    "ko": ((0x1100, 0x1200), (0xAC00, 0xD7B0)),
    "zh": ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00)),
    "ar": ((0x0600, 0x0700), (0x0750, 0x0780)),
    "ur": tuple((code, code + 1) for code in (0x0679, 0x0688, 0x0691, 0x06BA, 0x06C1, 0x06D2)),
    "fa": tuple((code, code + 1) for code in (0x067E, 0x0686, 0x0698, 0x06A9, 0x06AF, 0x06CC)),
    "he": ((0x0590, 0x0600),),
    "el": ((0x0370, 0x0400),),
    "hi": ((0x0900, 0x0980),),
    "bn": ((0x0980, 0x0A00),),
    "ta": ((0x0B80, 0x0C00),),
    "te": ((0x0C00, 0x0C80),),
    "th": ((0x0E00, 0x0E80),),
    "ka": ((0x10A0, 0x1100),),
    "hy": ((0x0530, 0x0590),),
}

_CODES = np.array([*_SCRIPTS, *_LANGUAGES, UNDETERMINED])

_LEAST_OF_SCRIPT = 0.3
"""Share of a text's letters; Latin names and code stand in texts of any script."""

_WITHIN = (("ja", ("zh",), 0.1), ("ur", ("ar", "fa"), 0.03), ("fa", ("ar",), 0.03))
"""Languages that share another's script, and the share of a text's letters that are theirs alone.

Japanese is told by its kana, Urdu and then Persian by letters that Arabic has not.
"""

_FEWEST_STOP_WORDS, _LEAST_STOP_WORDS = 2, 0.08


def detect_languages(characters: Characters, words: Words) -> pl.Series:
    """Return each text's language as ISO 639-1 has it, or ``und``."""
    counts = _count_stop_words(words)
    by_words, keywords = counts[:, :-1], counts[:, -1]
    best = by_words.argmax(axis=1)
    most = by_words[np.arange(best.size), best]
    is_sure = (most >= _FEWEST_STOP_WORDS) & (most >= _LEAST_STOP_WORDS * words.counts)
    # Where two lists do equally well there is no telling.
    is_sure &= (by_words == most[:, None]).sum(axis=1) == 1
    is_sure &= (best != _LANGUAGES.index("en")) | (most > keywords)
    found = np.where(is_sure, len(_SCRIPTS) + best, _CODES.size - 1)
    return pl.Series(_CODES[_prefer_scripts(characters, found)], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class _StopWords:
    """The lists in the form they are looked up in.

    Args:
        lexicon: of all words.
        firsts: where each word's lists begin in ``lists``.
        counts: how many lists have each word.
        lists: places of the languages; the last is of the keywords.
    """

    lexicon: Lexicon
    firsts: Counts
    counts: Counts
    lists: Counts


_LIST_COUNT = len(_LANGUAGES) + 1


@cache
def _stop_words() -> _StopWords:
    texts = [*_STOP_WORDS.values(), _KEYWORDS]
    lists = [read_words(read_characters([words])).hashes for words in texts]
    lexicon = make_lexicon(np.concatenate(lists))
    entries, places = np.nonzero([np.isin(lexicon.hashes, hashes) for hashes in lists])[::-1]
    order = np.argsort(entries, kind="stable")
    counts = np.bincount(entries, minlength=lexicon.hashes.size)
    return _StopWords(lexicon, np.cumsum(counts) - counts, counts, places[order])


def _count_stop_words(words: Words) -> Counts:
    """Return how many of each list's words each text has, (texts, languages + 1)."""
    known = _stop_words()
    hits = known.lexicon.find(words.hashes)
    repeats = known.counts[hits.entries]
    begins = known.firsts[hits.entries] - (np.cumsum(repeats) - repeats)
    lists = known.lists[np.repeat(begins, repeats) + np.arange(repeats.sum())]
    cells = np.repeat(words.texts[hits.places] * _LIST_COUNT, repeats) + lists
    found = np.bincount(cells, minlength=words.counts.size * _LIST_COUNT)
    return found.reshape(-1, _LIST_COUNT)


def _prefer_scripts(characters: Characters, found: Counts) -> Counts:
    """Put the language of a script where a text is mostly written in it."""
    # Every such script stands behind Latin's letters.
    places = np.flatnonzero(characters.codes >= 0x0370)
    places = places[(characters.flags[places] & WORD) != 0]
    if not places.size:
        return found
    kinds = _script_table()[np.minimum(characters.codes[places], _SCRIPT_END)]
    shares = np.zeros((found.size, len(_SCRIPTS)))
    letters = np.maximum(characters.count((characters.flags & WORD) != 0), 1)
    for script in np.unique(kinds[kinds >= 0]):
        shares[:, script] = characters.count_at(places[kinds == script]) / letters
    numbers = {script: number for number, script in enumerate(_SCRIPTS)}
    for script, sharers, least in _WITHIN:
        has = shares[:, numbers[script]] >= least
        for sharer in sharers:
            shares[has, numbers[script]] += shares[has, numbers[sharer]]
            shares[has, numbers[sharer]] = 0
    best = shares.argmax(axis=1)
    return np.where(shares.max(axis=1) >= _LEAST_OF_SCRIPT, best, found)


_SCRIPT_END = 0xFFFF


@cache
def _script_table() -> NDArray[np.int8]:
    table = np.full(_SCRIPT_END + 1, -1, np.int8)
    for number, ranges in enumerate(_SCRIPTS.values()):
        for first, end in ranges:
            table[first:end] = number
    return table
