"""Spellings: the names and values of known signals, and other ways to write them, English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NAMES", "VALUES"]

NAMES: Mapping[str, str] = {
    **dict.fromkeys(("weather_condition", "weather_conditions", "weather_type", "conditions", "天气"), "weather"),
    **dict.fromkeys(("temp", "temperature_c", "temperature_2m", "temp_c", "celsius", "温度", "气温"), "temperature"),
    **dict.fromkeys(("location", "location_type", "venue", "地点", "位置"), "place"),
    **dict.fromkeys(("lat", "纬度"), "latitude"),
    **dict.fromkeys(("lon", "lng", "long", "经度"), "longitude"),
    **dict.fromkeys(("device_type", "platform", "设备"), "device"),
    **dict.fromkeys(("companion", "companions", "companionship", "social", "with", "同伴", "陪伴"), "company"),
    **dict.fromkeys(("emotion", "feeling", "心情", "情绪"), "mood"),
    **dict.fromkeys(("doing", "action", "活动"), "activity"),
    **dict.fromkeys(("daytime", "time_of_day", "timeofday", "daypart", "day_part", "time_period", "时段"), "part_of_day"),
    **dict.fromkeys(("day_of_week", "dayofweek", "week_day", "星期"), "weekday"),
    **dict.fromkeys(("isweekend", "is_weekend", "day_type", "daytype", "周末"), "weekend"),
    **dict.fromkeys(("hour_of_day", "小时"), "hour"),
    **dict.fromkeys(("time_of_year", "季节"), "season"),
    **dict.fromkeys(("public_holiday",), "holiday"),
    **dict.fromkeys(("timezone", "tz"), "time_zone"),
    **dict.fromkeys(("country_code",), "country"),
}
"""Other names of known signals, in lower case, spaces as underscores."""


def _table(**groups: str) -> dict[str, str]:
    """Turn ``canonical_value="spelling|spelling"`` into spelling to value; an underscore of the keyword is a space."""
    return {said: kept.replace("_", " ") for kept, list_ in groups.items() for said in list_.split("|")}


VALUES: Mapping[str, Mapping[str, str]] = {
    "weather": _table(
        sunny="sun|clear|clear sky|bright|fine|sunshine|晴|晴天|晴朗|阳光",
        cloudy="clouds|cloud|overcast|partly cloudy|mostly cloudy|多云|阴|阴天",
        rain="rainy|raining|drizzle|drizzling|shower|showers|light rain|heavy rain|wet|雨|下雨|雨天|小雨|大雨|中雨",
        snow="snowy|snowing|snowfall|sleet|light snow|heavy snow|雪|下雪|雪天",
        fog="foggy|mist|misty|haze|雾|有雾|雾霾",
        storm="stormy|thunder|thunderstorm|thunderstorms|雷雨|暴风雨|雷阵雨",
        windy="wind|breezy|风|大风|有风",
    ),
    "place": _table(
        home="at home|house|my place|indoors at home|家|在家|家里|家中",
        work="at work|office|the office|workplace|in the office|公司|办公室|上班",
        school="at school|university|campus|college|学校|校园",
        gym="at the gym|fitness studio|健身房",
        outdoors="outside|outdoor|户外|室外",
    ),
    "device": _table(
        phone="mobile|mobile phone|smartphone|cell phone|cellphone|android phone|iphone|handset|手机",
        tablet="ipad|pad|平板|平板电脑",
        computer="desktop|laptop|pc|notebook|mac|web|电脑|笔记本电脑",
        television="tv|smart tv|电视",
        smart_speaker="speaker|voice assistant|音箱|智能音箱",
        watch="smartwatch|smart watch|手表",
        car="car display|in-car|车载",
    ),
    "company": _table(
        alone="single|solo|myself|by myself|on my own|nobody|no one|独自|一个人|独自一人",
        partner="with partner|spouse|wife|husband|girlfriend|boyfriend|couple|伴侣|爱人|妻子|丈夫|女朋友|男朋友",
        family="with family|parents|家人|父母|全家",
        friends="friend|with friends|mates|朋友|和朋友",
        children="child|kid|kids|with kids|with children|baby|孩子|小孩|宝宝",
        colleagues="colleague|coworkers|co-workers|with colleagues|同事",
    ),
    "mood": _table(
        happy="joyful|cheerful|glad|good mood|开心|高兴|快乐|愉快",
        sad="unhappy|blue|down|难过|伤心|悲伤",
        tired="sleepy|exhausted|weary|累|疲惫|困",
        stressed="tense|anxious|nervous|压力大|紧张|焦虑",
        relaxed="calm|chilled|放松|轻松|平静",
        angry="annoyed|mad|生气|愤怒",
        bored="boring|无聊",
    ),
    "part_of_day": _table(
        early_morning="dawn|sunrise|early|清晨|凌晨",
        morning="in the morning|forenoon|早上|上午|早晨",
        midday="noon|lunchtime|lunch|中午|正午",
        afternoon="in the afternoon|下午",
        evening="in the evening|dinner time|傍晚|晚上",
        night="at night|late night|midnight|夜里|夜晚|深夜|半夜",
    ),
    "weekday": _table(
        monday="mon|星期一|周一|礼拜一", tuesday="tue|tues|星期二|周二|礼拜二", wednesday="wed|星期三|周三|礼拜三",
        thursday="thu|thur|thurs|星期四|周四|礼拜四", friday="fri|星期五|周五|礼拜五", saturday="sat|星期六|周六|礼拜六",
        sunday="sun|星期日|星期天|周日|周天|礼拜天",
    ),
    "season": _table(
        spring="springtime|春|春天|春季", summer="summertime|夏|夏天|夏季", autumn="fall|秋|秋天|秋季",
        winter="wintertime|冬|冬天|冬季",
    ),
}  # fmt: skip
"""Signal name to other spellings, lower case, and the value that is kept. A spelling that is not listed stays as it is."""
