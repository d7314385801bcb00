"""Words: the known signals that a person's own words state plainly, English and Chinese.

A short list of turns of phrase, each anchored so that goods are not taken for circumstances: "in the rain" and "raining" say
the weather, "rain jacket" does not. What is denied ("not raining", "不下雨") is not taken. What is missed costs nothing, as
the language model reads the words anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from occasion.context.spellings import VALUES
from occasion.data import Scalar

__all__ = ["READ", "forget_words", "signals_in_words"]

READ = 2000
"""Characters that are read."""

_EN: Mapping[str, Mapping[str, str]] = {
    "weather": {
        "rain": r"raining|rainy|pouring|drizzling|in the rain|it rains",
        "snow": r"snowing|snowy|in the snow|it snows",
        "storm": r"stormy|thunderstorm|storm outside",
        "fog": r"foggy",
        "sunny": r"sunny|in the sun|sun is shining|sunshine",
        "cloudy": r"cloudy|overcast",
        "windy": r"(?:is|it's|so|very) windy|windy day",
    },
    "temperature_level": {
        "cold": r"(?:is|it's|so|very|too) cold(?: outside)?|cold (?:day|night|morning|evening)|freezing",
        "hot": r"(?:is|it's|so|very|too) hot(?: outside)?|hot (?:day|night|afternoon)|heat wave",
    },
    "place": {
        "home": r"at home|at my place|on the (?:sofa|couch)|in (?:bed|my room)",
        "work": r"at work|(?:at|in) (?:the|my) office",
        "school": r"at (?:school|university|college)|on campus",
        "gym": r"(?:at|in) the gym",
        "beach": r"(?:at|on) the beach",
        "car": r"in (?:the|my) car|while driving",
        "train": r"on (?:the|a) train",
        "outdoors": r"outdoors",
    },
    "company": {
        "alone": r"alone|by myself|on my own|(?:just|only) me",
        "partner": r"with my (?:wife|husband|partner|girlfriend|boyfriend|spouse)|date night",
        "children": r"with (?:(?:my|the|our) )?(?:kids?|child|children|son|daughter|baby|toddler)",
        "family": r"with (?:(?:my|the) )?(?:family|parents|mother|father|mum|mom|dad)|family (?:evening|dinner|night)",
        "friends": r"with (?:(?:my|some|a few|old) )?(?:friends?|mates)|friends (?:come|are coming)",
        "colleagues": r"with (?:my )?(?:colleagues|coworkers|co-workers)",
    },
    "device": {
        "phone": r"on my (?:phone|mobile|smartphone)",
        "tablet": r"on my (?:tablet|ipad)",
        "computer": r"on my (?:computer|laptop|pc)",
        "television": r"on (?:the|my) (?:tv|television)",
    },
    "mood": {
        mood: rf"(?:feel(?:ing)?|i am|i'm|am|so|very|a bit|quite) (?:{words})"
        rf"|^(?:{words})(?=[,.;!]|$)|(?<=[,;] )(?:{words})(?=[,.;!]|$)"
        for mood, words in {
            "happy": "happy|cheerful|joyful",
            "sad": "sad|down|unhappy|lonely",
            "tired": "tired|exhausted|sleepy",
            "stressed": "stressed|anxious|nervous|tense",
            "relaxed": "relaxed|calm",
            "angry": "angry|annoyed",
            "bored": "bored",
        }.items()
    },
    "activity": {
        word: rf"(?:while|when|i am|i'm|am|go|going|before|after) {word}|^{word}(?=[,.;!]|$)|(?<=[,;] ){word}(?=[,.;!]|$)"
        for word in (
            "cooking", "running", "jogging", "working", "studying", "reading", "travelling", "commuting", "driving", "cleaning",
            "shopping", "relaxing", "hiking", "swimming", "cycling", "gaming", "exercising", "camping", "eating", "walking",
        )
    },
    "weekday": {day: rf"{day}s?" for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")},
    "weekend": {"true": r"(?:at|on|this|over) (?:the )?weekend|weekend"},
    "part_of_day": {
        "early morning": r"early (?:in the )?morning|at dawn|at sunrise",
        "morning": r"(?<!early )(?<!early in the )morning",
        "midday": r"at noon|lunch ?time|lunch break|at midday",
        "afternoon": r"afternoon",
        "evening": r"evening|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day night|(?:movie|film|date|game) night",
        "night": r"at night|late night|midnight|middle of the night",
    },
    "season": {
        season: rf"(?:in|this|during|late|early) (?:the )?{words}|{season} (?:day|evening|morning|night)"
        for season, words in {"spring": "spring", "summer": "summer", "autumn": "(?:autumn|fall)", "winter": "winter"}.items()
    },
}  # fmt: skip
_ZH: Mapping[str, Mapping[str, str]] = {
    "weather": {
        "rain": "下着?大?小?雨|雨天",
        "snow": "下着?大?小?雪|雪天",
        "storm": "雷雨|暴风雨",
        "fog": "有雾|雾天",
        "sunny": "晴天|天晴|阳光明媚|出太阳",
        "cloudy": "多云|阴天",
        "windy": "刮大?风|大风天",
    },
    "temperature_level": {"cold": "天气?很?好?冷|寒冷", "hot": "天气?很?好?热|炎热"},
    "place": {
        "home": "在家|家里|窝在沙发",
        "work": "在公司|办公室里?|在上班",
        "school": "在学校|校园里",
        "gym": "在健身房",
        "beach": "在海边|沙滩上",
        "car": "在车里|开车时",
        "train": "火车上|高铁上",
    },
    "company": {
        "alone": "一个人|独自",
        "partner": "[和跟与](?:我的?)?(?:老公|老婆|妻子|丈夫|男朋友|女朋友|男友|女友|爱人|伴侣)",
        "children": "[和跟与带陪](?:着)?(?:我的?)?(?:孩子|小孩|宝宝|儿子|女儿)",
        "family": "[和跟与](?:我的?)?(?:家人|父母|爸妈|爸爸|妈妈)",
        "friends": "[和跟与](?:我的?|几个)?朋友|朋友要?来",
        "colleagues": "[和跟与](?:我的?)?同事",
    },
    "mood": {
        "happy": "(?:我|心情|很|好|感到|有点)(?:很|好)?(?:开心|高兴|快乐|愉快)",
        "sad": "(?:我|心情|很|好|感到|有点)(?:很|好)?(?:难过|伤心|悲伤|低落)",
        "tired": "(?:我|很|好|感到|有点)(?:很|好)?(?:累|疲惫|困)",
        "stressed": "压力(?:很|好)?大|(?:很|好|有点)(?:紧张|焦虑)",
        "relaxed": "想放松|心情放松",
        "angry": "(?:很|好)生气",
        "bored": "无聊",
    },
    "activity": {
        "cooking": "(?:在|正在|想)做饭|做晚饭",
        "running": "(?:在|去|正在)跑步",
        "studying": "(?:在|正在)学习",
        "reading": "(?:在|正在)看书",
        "commuting": "通勤|(?:上班|下班)路上",
        "driving": "(?:在|正在)开车",
        "travelling": "(?:在|去)旅行|旅途中",
        "exercising": "(?:在|去|正在)(?:健身|锻炼)",
        "working": "(?:在|正在)工作|加班",
    },
    "weekday": {
        day: f"(?:星期|周|礼拜){sign}"
        for day, sign in zip(
            ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
            ("一", "二", "三", "四", "五", "六", "[日天]"),
            strict=True,
        )
    },
    "weekend": {"true": "周末"},
    "part_of_day": {
        "early morning": "清晨|凌晨",
        "morning": "早上|上午|早晨",
        "midday": "中午",
        "afternoon": "下午",
        "evening": "晚上|傍晚|今晚",
        "night": "深夜|半夜|夜里",
    },
    "season": {"spring": "春天|春季", "summer": "夏天|夏季", "autumn": "秋天|秋季", "winter": "冬天|冬季"},
}

_NOT_EN = re.compile(r"(?:\bnot|\bno|\bnever|\bwithout|n't|\bstopped|\bunless)(?: \w+){0,2} ?$")
_NOT_ZH = re.compile(r"(?:不|没|没有|别|不是|没在|不要)(?:有|在)?$")


_FRAME = frozenset(
    (
        "with the and for our some few old very too quite outside day feel feeling while when going before after this during over "
        "come are coming who is's it's i'm late"
    ).split()
)
"""Words of the patterns that are in too many texts to tell which pattern is worth a try."""
_WORD = re.compile(r"[a-z][a-z'-]*[a-z]")
_CJK = re.compile("[\u4e00-\u9fff]")

_Pattern = tuple[str, str, re.Pattern[str]]


def _triggers(pattern: str) -> set[str]:
    """Return the words of which a text must have one for the pattern to match; ``kids?`` gives kid and kids."""
    plain = re.sub(r"\(\?<?[!=:]|\\b", " ", pattern)
    shorter = re.sub(r"[a-z]\?", "", plain)
    return {word for text in (plain.replace("?", ""), shorter) for word in _WORD.findall(text) if len(word) > 2} - _FRAME


@lru_cache(maxsize=1)
def _english() -> Mapping[str, tuple[_Pattern, ...]]:
    """Return trigger word to the patterns worth a try."""
    found: dict[str, list[_Pattern]] = {}
    for name, values in _EN.items():
        for value, pattern in values.items():
            compiled = re.compile(rf"\b(?:{pattern})\b" if "^" not in pattern else rf"(?:{pattern})\b", re.MULTILINE)
            for word in _triggers(pattern):
                found.setdefault(word, []).append((name, value, compiled))
    return {word: tuple(patterns) for word, patterns in found.items()}


@lru_cache(maxsize=1)
def _chinese() -> Mapping[str, tuple[_Pattern, ...]]:
    """Return character to the patterns that begin or go on with it; every character of a pattern leads to it."""
    found: dict[str, list[_Pattern]] = {}
    for name, values in _ZH.items():
        for value, pattern in values.items():
            entry = (name, value, re.compile(pattern))
            for sign in set(_CJK.findall(pattern)):
                found.setdefault(sign, []).append(entry)
    return {sign: tuple(patterns) for sign, patterns in found.items()}


def signals_in_words(text: str) -> dict[str, Scalar]:
    """Return the known signals that own words state; where two values of one signal are named, neither counts.

    Examples
    --------
    >>> signals_in_words("Friday night, at home with friends, it is raining")
    {'weather': 'rain', 'place': 'home', 'company': 'friends', 'weekday': 'friday', 'part_of_day': 'evening'}
    """
    return dict(_read(text[:READ])) if text else {}


def forget_words() -> None:
    """Drop the texts that are remembered with what they state."""
    _read.cache_clear()


# What is met again within a minute or two is found; most sentences never come again, and more of them would be kept for nobody.
@lru_cache(maxsize=2048)
def _read(text: str) -> tuple[tuple[str, Scalar], ...]:
    plain = " ".join(text.casefold().replace("’", "'").split())
    english, words = _english(), set(_WORD.findall(plain))
    worth = [(p, _NOT_EN) for word in sorted(words & english.keys()) for p in english[word]]
    if not plain.isascii():
        chinese = _chinese()
        worth += [(p, _NOT_ZH) for sign in sorted(set(plain) & chinese.keys()) for p in chinese[sign]]
    found: dict[str, set[str]] = {}
    for (name, value, pattern), denied in dict.fromkeys(worth):
        for match in pattern.finditer(plain):
            if denied.search(plain[max(0, match.start() - 24) : match.start()]) is None:
                found.setdefault(name, set()).add(value)
                break
    out: dict[str, Scalar] = {}
    for name in _EN:
        if len(values := found.get(name, set())) == 1:
            (value,) = values
            out[name] = True if name == "weekend" else VALUES.get(name, {}).get(value, value)
    return tuple(out.items())
