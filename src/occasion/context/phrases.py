"""Phrases: how each signal is said, English and Chinese. One table a locale; what is not listed is said as ``name: value``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from occasion.data import Scalar

__all__ = ["PHRASES", "Phrases"]

SHOWN = 80
"""Characters of a value or title that are said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language.

    Attributes
    ----------
    capitals : bool
        Whether a sentence begins with a capital.
    stop, comma, colon, list_comma : str
        What stands between sentences, clauses, a name and its value, and titles.
    words : mapping
        (signal, value) to how it is said alone.
    forms : mapping
        Signal to how any other value of it is said; ``{}`` is the value.
    yes, no : str
    holiday, eve, weather, recent, said : str
        Frames; ``{}`` is filled in.
    day : callable
        (weekday, part of day, season), each said or empty, to one phrase.
    """

    capitals: bool
    stop: str
    comma: str
    colon: str
    list_comma: str
    words: Mapping[tuple[str, str], str]
    forms: Mapping[str, str]
    yes: str
    no: str
    holiday: str
    eve: str
    weather: str
    both: str
    recent: str
    said: str
    day: Callable[[str, str, str], str]

    def value(self, name: str, value: Scalar) -> str:
        """Return how a value is said by itself."""
        if isinstance(value, bool):
            return self.yes if value else self.no
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        return self.words.get((name, text.casefold()), " ".join(text.replace("_", " ").split())[:SHOWN])

    def clause(self, name: str, value: Scalar) -> str:
        """Return how a signal is said."""
        text = self.value(name, value)
        if (name, str(value).casefold()) in self.words and name in _WHOLE:
            return text
        if name == "activity" and name in self.forms and text.split(" ")[0].endswith("ing"):
            return text
        if name in self.forms:
            return self.forms[name].format(text)
        return f"{' '.join(name.replace('_', ' ').split())[:SHOWN]}{self.colon}{text}"


_WHOLE = frozenset({"place", "company", "device"})
"""Signals whose listed values are said as whole clauses."""


def _english_day(weekday: str, part: str, season: str) -> str:
    early = part == "early morning" and weekday
    told = f"early on {weekday} morning" if early else " ".join(word for word in (weekday, part) if word)
    return f"{told} in {season}" if told and season else told or season


def _chinese_day(weekday: str, part: str, season: str) -> str:
    return season + ("的" if season and (weekday or part) else "") + weekday + part


def _words(**tables: Mapping[str, str]) -> dict[tuple[str, str], str]:
    return {(name, value.casefold()): said for name, table in tables.items() for value, said in table.items()}


_EN: dict[str, Any] = {
    "words": _words(
        weekday={day: day.capitalize() for day in "monday tuesday wednesday thursday friday saturday sunday".split()},
        weather={"rain": "raining", "snow": "snowing", "fog": "foggy", "storm": "stormy"},
        place={
            "home": "at home",
            "work": "at work",
            "school": "at school",
            "gym": "at the gym",
            "outdoors": "outdoors",
            "beach": "on the beach",
            "car": "in the car",
            "train": "on the train",
            "cinema": "at the cinema",
            "city": "in the city",
            "park": "in the park",
            "restaurant": "in a restaurant",
            "airport": "at the airport",
            "hotel": "in a hotel",
        },
        company={"alone": "alone", "partner": "with a partner", "children": "with children"},
        device={
            "phone": "on a phone",
            "tablet": "on a tablet",
            "computer": "on a computer",
            "television": "in front of the television",
            "car": "on the car's display",
            "watch": "on a watch",
        },
    ),
    "forms": {
        "place": "in {}",
        "company": "with {}",
        "device": "on {}",
        "mood": "feeling {}",
        "activity": "activity: {}",
        "temperature_level": "{} outside",
        "season": "in {}",
        "weekday": "{}",
        "part_of_day": "{}",
    },
}
_ZH_VALUES: Mapping[str, Mapping[str, str]] = {
    "weekday": dict(
        zip(
            "monday tuesday wednesday thursday friday saturday sunday".split(),
            ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
            strict=True,
        )
    ),
    "part_of_day": {
        "early morning": "清晨",
        "morning": "上午",
        "midday": "中午",
        "afternoon": "下午",
        "evening": "晚上",
        "night": "深夜",
    },
    "season": {"spring": "春天", "summer": "夏天", "autumn": "秋天", "winter": "冬天"},
    "weather": {
        "sunny": "晴朗",
        "cloudy": "多云",
        "rain": "下雨",
        "snow": "下雪",
        "fog": "有雾",
        "storm": "有暴风雨",
        "windy": "刮风",
    },
    "temperature_level": {"cold": "寒冷", "mild": "温和", "warm": "暖和", "hot": "炎热"},
    "place": {
        "home": "在家",
        "work": "在公司",
        "school": "在学校",
        "gym": "在健身房",
        "outdoors": "在户外",
        "beach": "在海边",
        "car": "在车里",
        "train": "在火车上",
        "cinema": "在电影院",
        "city": "在市区",
        "park": "在公园",
        "restaurant": "在餐厅",
        "airport": "在机场",
        "hotel": "在酒店",
    },
    "company": {
        "alone": "独自一人",
        "partner": "和伴侣一起",
        "family": "和家人一起",
        "friends": "和朋友一起",
        "children": "和孩子一起",
        "colleagues": "和同事一起",
    },
    "device": {
        "phone": "用手机",
        "tablet": "用平板电脑",
        "computer": "用电脑",
        "television": "看电视",
        "smart speaker": "用智能音箱",
        "car": "用车载屏幕",
        "watch": "用手表",
    },
    "mood": {
        "happy": "开心",
        "sad": "难过",
        "tired": "疲惫",
        "stressed": "紧张",
        "relaxed": "放松",
        "angry": "生气",
        "bored": "无聊",
    },
    "activity": {
        "cooking": "做饭",
        "running": "跑步",
        "jogging": "慢跑",
        "working": "工作",
        "studying": "学习",
        "reading": "看书",
        "travelling": "旅行",
        "commuting": "通勤",
        "driving": "开车",
        "cleaning": "打扫",
        "shopping": "购物",
        "relaxing": "休息",
        "hiking": "徒步",
        "swimming": "游泳",
        "cycling": "骑车",
        "gaming": "玩游戏",
        "exercising": "锻炼",
        "camping": "露营",
        "eating": "吃饭",
        "walking": "散步",
    },
    "holiday": {
        "New Year's Day": "元旦",
        "Christmas Day": "圣诞节",
        "Christmas Eve": "平安夜",
        "Good Friday": "耶稣受难日",
        "Easter Sunday": "复活节",
        "Easter Monday": "复活节星期一",
        "Labor Day": "劳动节",
        "National Day": "国庆节",
        "Chinese New Year (Spring Festival)": "春节",
        "Chinese New Year's Eve": "除夕",
        "Tomb-Sweeping Day": "清明节",
        "Dragon Boat Festival": "端午节",
        "Mid-Autumn Festival": "中秋节",
        "Thanksgiving Day": "感恩节",
        "Day off": "调休",
    },
}

PHRASES: Mapping[str, Phrases] = {
    "en": Phrases(
        capitals=True,
        stop=". ",
        comma=", ",
        colon=": ",
        list_comma="; ",
        yes="yes",
        no="no",
        holiday="a public holiday ({})",
        eve="the day before a public holiday",
        weather="It is {}",
        both=" and ",
        recent="Recently looked at: {}",
        said="They say: {}",
        day=_english_day,
        **_EN,
    ),
    "zh": Phrases(
        capitals=False,
        stop="。",
        comma="，",
        colon="：",
        list_comma="、",
        yes="是",
        no="否",
        holiday="公共假日（{}）",
        eve="公共假日前一天",
        weather="{}",
        both="，",
        recent="最近浏览：{}",
        said="他们说：{}",
        day=_chinese_day,
        words=_words(**_ZH_VALUES),
        forms={
            "place": "在{}",
            "company": "和{}一起",
            "device": "用{}",
            "mood": "心情{}",
            "activity": "正在{}",
            "temperature_level": "{}",
            "season": "{}",
            "weekday": "{}",
            "part_of_day": "{}",
        },
    ),
}
