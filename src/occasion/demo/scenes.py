"""Scenes: the moments that the demo shows, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from occasion.data import Context, Scalar
from occasion.demo.dataset import COUNTRY, PERSON, TIME_ZONE

__all__ = ["SCENES", "TEXTBOOK", "Scene", "Textbook"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A moment with a heading; `when` is local time at the shops."""

    heading: str
    when: str
    text: str = ""
    signals: Mapping[str, Scalar] = field(default_factory=dict)
    user: str | None = PERSON
    locale: str = "en"

    def context(self) -> Context:
        """Return the moment as a request."""
        return Context(
            user=self.user,
            at=datetime.fromisoformat(self.when).replace(tzinfo=ZoneInfo(TIME_ZONE)).timestamp(),
            text=self.text,
            signals=self.signals,
            time_zone=TIME_ZONE,
            country=COUNTRY,
            locale=self.locale,
        )


SCENES = (
    Scene(heading="Just the clock: an ordinary Tuesday evening", when="2018-01-09T18:00"),
    Scene(
        heading="Friday evening",
        when="2018-01-05T18:30",
        text="friends are coming over to watch the game, we need snacks and drinks",
        signals={"company": "friends", "place": "home"},
    ),
    Scene(heading="Sunday morning", when="2018-01-07T09:00", text="a slow breakfast with pancakes and coffee"),
    Scene(
        heading="A night in winter",
        when="2018-01-10T21:00",
        text="I have caught a cold, I am coughing and my throat hurts",
        signals={"weather": "snow", "mood": "ill"},
    ),
    Scene(heading="The same person, in Chinese", when="2018-01-13T10:00", text="周末想烤一个生日蛋糕", locale="zh"),
    Scene(heading="Nobody known, the same wish", when="2018-01-13T10:00", text="baking a birthday cake this weekend", user=None),
)
"""The same person in several moments, then a stranger. All lie after the last purchase of the data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Textbook:
    """A tiny catalogue, a sentence, and the item that must come first."""

    language: str
    sentence: str
    wanted: str
    goods: tuple[str, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """All texts of the catalogue."""
        return (*self.goods, self.wanted)


TEXTBOOK = (
    Textbook(
        language="zh",
        sentence="最近浏览了多个商品，包括手机、平板电脑和相机。",
        wanted="一款高性能的手机，具有强大的处理器和高清摄像头。",
        goods=(
            "一件纯棉的白色衬衫，适合夏天穿。",
            "一本介绍古代园林艺术的书。",
            "一口不粘的炒锅，适合家庭厨房。",
            "一袋新鲜的有机蓝莓。",
            "一双儿童防水雨靴，带小黄鸭图案。",
            "一张舒适的双人沙发。",
            "一条手工编织的羊毛围巾，冬天保暖。",
            "一瓶洗发水，适合干性头发。",
        ),
    ),
    Textbook(
        language="en",
        sentence="Recently looked at several products, among them phones, tablets and cameras.",
        wanted="A fast phone with a powerful processor and a high-definition camera.",
        goods=(
            "A white cotton shirt for the summer.",
            "A book about the art of ancient gardens.",
            "A non-stick wok for the family kitchen.",
            "A bag of fresh organic blueberries.",
            "Children's waterproof rain boots with yellow ducks.",
            "A comfortable sofa for two.",
            "A hand-knitted woollen scarf for cold winters.",
            "A bottle of shampoo for dry hair.",
        ),
    ),
)
"""The textbook's running example: what somebody looked at must find the phone among unrelated goods."""
