"""Clock and calendar: one request and a million events are read alike, and both as the zone's own rules say."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from occasion.context.calendar import CalendarProvider, holidays_of
from occasion.context.clock import CLOCK_VALUES, ClockProvider, clock_signals, weekend_of
from occasion.context.whereabouts import Whereabouts, hemisphere, known_zone, whereabouts
from occasion.data import Context
from occasion.errors import DataError
from occasion.settings import Settings

ZONES = sorted(z for z in available_timezones() if known_zone(z) and not z.startswith(("posix", "right")))
times = st.floats(-2_208_988_800, 16_725_225_600, allow_nan=False)
zones = st.sampled_from(ZONES)
countries = st.sampled_from(["", "DE", "AU", "EG", "IR", "BN", "SG", "BR"])


def at(zone, *fields):
    return datetime(*fields, tzinfo=ZoneInfo(zone)).timestamp()


def as_values(codes, row):
    return {name: CLOCK_VALUES[name][column[row]] for name, column in codes.items() if column[row] >= 0}


@settings(max_examples=100, deadline=None)
@given(st.lists(times, min_size=1, max_size=6), zones, countries)
@example([at("Europe/Berlin", 2026, 3, 29, 1, 59, 59), at("Europe/Berlin", 2026, 3, 29, 3, 0)], "Europe/Berlin", "DE")
@example([1761440399.999, 1761440400.0, 1761443999.0, 1761444000.0], "Europe/Berlin", "DE")
@example([-1e9, 0.0, 1.7e9], "Australia/Lord_Howe", "AU")
@example([1325246399.0, 1325246400.0], "Pacific/Apia", "")
def test_many_times_at_once_read_as_each_alone(moments, zone, country):
    codes = clock_signals(np.array(moments), zone, country)
    provider = ClockProvider(Settings())
    for row, moment in enumerate(moments):
        assert as_values(codes, row) == provider.signals(Context(at=moment, time_zone=zone, country=country or None))


@given(times, st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]))
def test_the_clock_is_the_zones(moment, zone):
    local = datetime.fromtimestamp(moment // 1, ZoneInfo(zone))
    found = ClockProvider(Settings(time_zone=zone)).signals(Context(at=moment))
    assert (found["hour"], found["month"]) == (local.hour, local.month)
    assert CLOCK_VALUES["weekday"].index(found["weekday"]) == local.weekday()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Africa/Casablanca", "Asia/Tehran", "Pacific/Apia"])
def test_every_half_hour_of_years_with_changes_of_the_clock(zone):
    moments = np.arange(at("UTC", 2010, 1, 1), at("UTC", 2013, 1, 1), 1800.0)
    codes = clock_signals(moments, zone)
    assert codes["hour"].tolist() == [datetime.fromtimestamp(m, ZoneInfo(zone)).hour for m in moments.tolist()]


def test_unknown_times_have_no_signals():
    codes = clock_signals(np.array([np.nan, np.inf, -np.inf, 1e18, 1.7e9]), "UTC")
    for column in codes.values():
        assert column[:4].tolist() == [-1] * 4
        assert column[4] >= 0
    assert all(len(column) == 0 for column in clock_signals(np.zeros(0), "UTC").values())
    assert ClockProvider(Settings()).signals(Context()) == {}


@pytest.mark.parametrize(
    ("hour", "part"),
    [(0, "night"), (4, "night"), (5, "early morning"), (7, "early morning"), (8, "morning"), (10, "morning"), (11, "midday"),
     (13, "midday"), (14, "afternoon"), (17, "afternoon"), (18, "evening"), (21, "evening"), (22, "night")],
)  # fmt: skip
def test_parts_of_the_day(hour, part):
    assert ClockProvider(Settings()).signals(Context(at=at("UTC", 2026, 7, 3, hour)))["part_of_day"] == part


def test_the_hour_that_is_skipped_and_the_one_that_comes_twice():
    provider = ClockProvider(Settings(time_zone="Europe/Berlin"))
    spring, autumn = at("UTC", 2026, 3, 29, 0, 59), at("UTC", 2026, 10, 25, 0, 30)
    assert [provider.signals(Context(at=spring + s))["hour"] for s in (0, 60)] == [1, 3]
    assert [provider.signals(Context(at=autumn + s))["hour"] for s in (0, 3600)] == [2, 2]


def test_seasons_turn_with_the_hemisphere_and_weekends_with_the_country():
    friday = at("UTC", 2026, 7, 3, 12)
    found = {c: ClockProvider(Settings()).signals(Context(at=friday, country=c)) for c in ("DE", "AU", "EG", "SG")}
    assert [found[c].get("season") for c in ("DE", "AU", "EG", "SG")] == ["summer", "winter", "summer", None]
    assert [found[c]["weekend"] for c in ("DE", "AU", "EG", "SG")] == [False, False, True, False]


def test_a_latitude_says_more_than_a_country_and_a_country_more_than_a_zone():
    july = at("UTC", 2026, 7, 3, 12)
    provider = ClockProvider(Settings())
    seasons = [
        provider.signals(Context(at=july, time_zone="Australia/Sydney"))["season"],
        provider.signals(Context(at=july, time_zone="Australia/Sydney", country="DE"))["season"],
        provider.signals(Context(at=july, country="DE", signals={"latitude": -40.0}))["season"],
        provider.signals(Context(at=july, signals={"latitude": 1.0})).get("season"),
    ]
    assert seasons == ["winter", "summer", "winter", None]


def test_the_hemispheres_of_zones_are_those_of_the_zone_table():
    table = Path("/usr/share/zoneinfo/zone.tab")
    if not table.exists():
        pytest.skip("this system has no table of zones")
    for line in table.read_text().splitlines():
        if not line.startswith("#"):
            _, place, zone = line.split("\t")[:3]
            degrees = int(place[:3])
            if abs(degrees) > 10 and known_zone(zone.strip()):
                assert hemisphere(zone.strip()) == ("south" if degrees < 0 else "north"), zone


def test_weekends_are_those_of_the_holidays_package():
    import holidays

    for country in holidays.list_supported_countries():
        kept = holidays.country_holidays(country, years=2026).weekend if len(country) == 2 else {6}
        # Where its tables name Sunday alone, shops and schools keep Saturday as well.
        if kept != {6}:
            assert weekend_of(country) == kept, country


def test_whereabouts_take_the_request_then_the_signals_then_the_usual():
    usual = Whereabouts("UTC", "DE", "north")
    assert whereabouts({}, usual) is usual
    assert whereabouts({"time_zone": "Asia/Tokyo"}, usual).time_zone == "Asia/Tokyo"
    assert whereabouts({"time_zone": "Asia/Tokyo"}, usual, time_zone="Asia/Seoul").time_zone == "Asia/Seoul"
    assert whereabouts({"time_zone": "nowhere", "country": "United States"}, usual) == usual
    assert whereabouts({"country": "AU"}, usual) == Whereabouts("UTC", "AU", "south")
    with pytest.raises(DataError, match=r"Mars/Base.*Cure"):
        whereabouts({}, usual, time_zone="Mars/Base")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../../etc/passwd", "a\0b", "Europe", "europe/berlin\n", "x" * 10_000])
def test_odd_zone_names_are_no_zones(name):
    assert not known_zone(name)


def test_public_holidays_by_country():
    provider = CalendarProvider(Settings(time_zone="Europe/Berlin"))
    unity_day = at("Europe/Berlin", 2026, 10, 3, 12)
    found = provider.signals(Context(at=unity_day, country="de"))
    assert (found["is_holiday"], found["holiday"], found["holiday_eve"]) == (True, "German Unity Day", False)
    assert provider.signals(Context(at=unity_day, country="FR")) == {"is_holiday": False, "holiday_eve": False}
    assert provider.signals(Context(at=unity_day - 86400, country="DE"))["holiday_eve"] is True
    assert provider.signals(Context(at=unity_day, country="Atlantis")) == {}
    assert provider.signals(Context(at=unity_day)) == provider.signals(Context(country="DE")) == {}


def test_the_day_before_the_first_of_january_is_an_eve():
    assert CalendarProvider(Settings(country="DE")).signals(Context(at=at("UTC", 2026, 12, 31, 12)))["holiday_eve"] is True


def test_a_country_in_the_settings_needs_a_calendar():
    with pytest.raises(DataError, match=r"'Atlantis'.*Cure.*A"):
        CalendarProvider(Settings(country="Atlantis"))


def test_names_of_holidays_are_the_same_every_year():
    assert not any("(" in name and "20" in name for year in range(2020, 2027) for name in holidays_of("CN", year).values())
    assert "Chinese New Year (Spring Festival)" in holidays_of("CN", 2026).values()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e9, 2e9), min_size=1, max_size=20), st.sampled_from(["DE", "US", "CN", "XX", ""]), zones)
def test_holidays_of_many_times_are_those_of_each(moments, country, zone):
    provider = CalendarProvider(Settings())
    found = provider.codes(np.array([*moments, np.nan]), Whereabouts(zone, country, "north"))
    for row, moment in enumerate(moments):
        mine = {name: values[codes[row]] for name, (codes, values) in found.items() if codes[row] >= 0}
        assert mine == provider.signals(Context(at=moment, country=country or None, time_zone=zone))
    assert all(codes[-1] == -1 for codes, _ in found.values())
