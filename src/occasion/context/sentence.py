"""Sentence: all that is known of a situation as one natural sentence for the language model, English or Chinese.

The person's own words stand alone in front: measured on context sentences against item texts, clock and calendar words
behind them cost matches, as every item is equally far from "It is Tuesday morning". Derived signals therefore speak only
where there are no own words; signals that the caller gave always do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from occasion.data import Scalar

__all__ = ["sentence"]

_ZH = {
    "night": "夜里", "morning": "早上", "midday": "中午", "afternoon": "下午", "evening": "晚上",
    "Monday": "星期一", "Tuesday": "星期二", "Wednesday": "星期三", "Thursday": "星期四", "Friday": "星期五",
    "Saturday": "星期六", "Sunday": "星期日", "winter": "冬天", "spring": "春天", "summer": "夏天", "autumn": "秋天",
    "sunny": "晴天", "cloudy": "多云", "rain": "下雨", "snow": "下雪", "fog": "有雾", "storm": "雷雨",
    "home": "家里", "work": "公司", "alone": "独自一人", "friends": "朋友", "family": "家人", "partner": "伴侣",
    "happy": "开心", "sad": "难过", "tired": "疲惫",
}  # fmt: skip
_TEMPLATES = {
    "en": {
        "place": "at {}", "company": "with {}", "device": "on a {}", "mood": "feeling {}", "activity": "{}",
        "weather": "weather: {}", "holiday": "a public holiday, {}", "temperature": "{} degrees outside",
    },
    "zh": {
        "place": "在{}", "company": "和{}一起", "device": "使用{}", "mood": "心情{}", "activity": "正在{}",
        "weather": "天气{}", "holiday": "节日：{}", "temperature": "气温{}度",
    },
}  # fmt: skip
_SILENT = {"latitude", "longitude", "weekday", "part_of_day", "season", "weekend", "hour", "month", "holiday_tomorrow"}
_UNSAID = {"", "unknown", "none", "nan", "null", "-1"}


def _value(value: Scalar, locale: str) -> str:
    if isinstance(value, bool):
        return {"en": ("no", "yes"), "zh": ("否", "是")}[locale][value]
    text = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ").strip()
    return _ZH.get(text, text) if locale == "zh" else text


def _said(name: str, value: Scalar, locale: str) -> str:
    text = _value(value, locale)
    if name == "company" and text.lower() in ("alone", "独自一人"):
        return {"en": "alone", "zh": "独自一人"}[locale]
    template = _TEMPLATES[locale].get(name)
    if template is not None:
        return template.format(text)
    return f"{name.replace('_', ' ')}{': ' if locale == 'en' else '：'}{text}"


def _clock(signals: Mapping[str, Scalar], locale: str) -> str:
    words = [_value(signals[n], locale) for n in ("weekday", "part_of_day") if n in signals]
    season = _value(signals["season"], locale) if "season" in signals else ""
    if locale == "zh":
        return season + "的" * bool(season and words) + "".join(words)
    return " ".join(words) + (f" in {season}" if season and words else season)


def sentence(
    text: str, signals: Mapping[str, Scalar], given: Collection[str] = (), recent: Sequence[str] = (), locale: str = "en"
) -> str:
    """Return the situation in one sentence; empty where nothing is known.

    Parameters
    ----------
    text : str
        The person's own words.
    signals : mapping
        Given and derived signals.
    given : collection of str
        Names of those that the caller gave; where there are own words, only these are said.
    recent : sequence of str
        Titles of the items last chosen, oldest first.
    locale : str
        "en" or "zh".
    """
    own = " ".join(text.split())
    stop, comma = (". ", ", ") if locale == "en" else ("。", "，")
    telling = {n: v for n, v in signals.items() if str(v).strip().lower() not in _UNSAID and n not in _SILENT}
    parts = [_said(n, v, locale) for n, v in telling.items() if not own or n in given]
    if own:
        return stop.join([own.rstrip(".。 ") if parts else own, *([comma.join(parts)] if parts else [])])
    clock = _clock(signals, locale)
    lead = comma.join(([clock] if clock else []) + parts)
    if recent:
        titles = comma.join(t[:80] for t in recent)
        lead = stop.join(([lead] if lead else []) + [("Recently chosen: " if locale == "en" else "最近选择了：") + titles])
    return lead
