"""From the names of columns, and what they hold, to what they mean."""

import pytest

from occasion.errors import DataError
from occasion.importing.columns import check_mapping, plan_file


def plan(columns, file="data.csv", **given):
    """Plan a file whose columns are given as text, or as a mapping of names to cells."""
    sample = columns if isinstance(columns, dict) else {name: [] for name in columns.split()}
    return plan_file(file, "csv", {name: name for name in sample}, sample, **given)


def roles(columns, file="data.csv", **given):
    return {use.column: use.role for use in plan(columns, file, **given).columns}


@pytest.mark.parametrize(
    ("file", "columns", "kind", "event_type"),
    [
        ("u.data", "user_id item_id rating timestamp", "events", "rating"),
        ("ratings.csv", "userId movieId rating timestamp", "events", "rating"),
        ("movies.csv", "movieId title genres", "items", "click"),
        ("events.csv", "timestamp visitorid event itemid transactionid", "events", "click"),
        ("UserBehavior.csv", "user_id item_id category_id behavior_type timestamp", "events", "click"),
        ("reviews.jsonl", "reviewerID asin overall reviewText unixReviewTime", "events", "rating"),
        ("meta.jsonl", "asin title description price brand categories", "items", "click"),
        (
            "online_retail.csv",
            "InvoiceNo StockCode Description Quantity InvoiceDate UnitPrice CustomerID Country",
            "events",
            "purchase",
        ),
        ("x.csv", "customer_id sku order_date ctx_weather", "events", "purchase"),
        ("products.csv", "sku product_name category brand price", "items", "click"),
        ("users.csv", "id age gender", "users", "click"),
        ("x.csv", "user_id age gender", "users", "click"),
        ("x.csv", "id title", "items", "click"),
        ("x.csv", "id age occupation", "users", "click"),
        ("x.csv", "id context entries sentence", "slates", "click"),
        ("interactions.csv", "session_id item_id", "events", "click"),
        ("plays.csv", "user track", "events", "play"),
        ("ml.inter", "user_id item_id", "events", "click"),
        ("ml.item", "item_id class", "items", "click"),
        ("nemig.csv", "user_id item_id event impression_id clicked", "events", "impression"),
    ],
)
def test_the_kind_of_well_known_files(file, columns, kind, event_type):
    understood = plan(columns, file)
    assert (understood.kind, understood.event_type) == (kind, event_type)


def test_roles_of_a_shop():
    assert roles("sku product_name category brand price long_description colour image_url") == {
        "sku": "id",
        "product_name": "text.title",
        "category": "categories",
        "brand": "attributes.brand",
        "price": "price",
        "long_description": "text.description",
        "colour": "attributes.colour",
        "image_url": "media.image",
    }


@pytest.mark.parametrize(
    ("column", "cells", "also"),
    [
        ("countries", ["日本", "中国大陆|中国香港"], True),
        ("colour", ["red", "navy blue", "Rot"], True),
        ("tags", [["party", "vegan"], ["quick"]], True),
        ("language", ["en", "zh", "de"], False),
        ("country", ["US", "DEU"], False),
        ("season", ["1", "2"], False),
        ("tags", [[], None], False),
        ("shelf", ["upper left", "lower right"], False),
    ],
)
def test_what_people_ask_for_in_words_can_be_read_too(column, cells, also):
    understood = plan({"id": ["a", "b"], "title": ["Yes", "No"], column: cells})
    (use,) = (use for use in understood.columns if use.column == column)
    assert (use.role, use.why == "and part of the text") == (f"attributes.{column}", also)


def test_chinese_files_are_understood():
    goods = plan("商品编号 商品名称 类别 价格 品牌 上架时间 标签", "商品.csv")
    assert goods.kind == "items"
    assert {use.column: use.role for use in goods.columns} == {
        "商品编号": "id",
        "商品名称": "text.title",
        "类别": "categories",
        "价格": "price",
        "品牌": "attributes.品牌",
        "上架时间": "available_from",
        "标签": "attributes.标签",
    }
    orders = plan("用户ID 商品编号 数量 下单时间 天气 备注", "订单.csv")
    assert (orders.kind, orders.event_type) == ("events", "purchase")
    assert {use.column: use.role for use in orders.columns} == {
        "用户ID": "user",
        "商品编号": "item",
        "数量": "value",
        "下单时间": "at",
        "天气": "signals.天气",
        "备注": "ignored",
    }
    assert plan("会员编号 年龄 性别", "会员.csv").kind == "users"
    assert plan("编号 类型", "电影列表.csv").kind == "items"


@pytest.mark.parametrize(
    ("cells", "form", "noted"),
    [
        (["31/12/2025 14:05", "01/02/2026"], "day first", False),
        (["12/31/2025", "1/2/2026"], "as is", False),
        (["1/2/2026", "3/4/2026"], "as is", True),
        (["2026-02-01"], "as is", False),
        ([1.7e9], "as is", False),
    ],
)
def test_the_day_of_a_date_is_found_by_the_whole_column(cells, form, noted):
    understood = plan({"user": ["a"], "item": ["b"], "date": cells})
    (date,) = (use for use in understood.columns if use.column == "date")
    assert (date.role, date.form) == ("at", form)
    assert any("month/day" in note for note in understood.notes) == noted


def test_outcomes_are_never_context():
    found = roles(
        "user_id item_id rating timestamp ctx_weather ctx_outcome_x outcome_minutes emo_post_valence label clicked weather device"
    )
    assert found["ctx_weather"] == "signals.weather"
    assert found["device"] == "signals.device"
    signals = {column for column, role in found.items() if role.startswith("signals")}
    assert signals == {"ctx_weather", "weather", "device"}
    assert found["outcome_minutes"] == found["emo_post_valence"] == found["ctx_outcome_x"] == "ignored"


def test_unknown_columns_of_events_are_ignored_and_said():
    understood = plan("user item something_else")
    assert "something_else is ignored (its meaning is not known; map it to use it)" in understood.sentences()


def test_other_columns_of_users_are_attributes():
    assert roles("user_id age zip") == {"user_id": "id", "age": "attributes.age", "zip": "attributes.zip"}


def test_categories_run_from_broad_to_narrow():
    understood = plan("item_id title product_type category department")
    assert [use.column for use in understood.roles()["categories"]] == ["department", "category", "product_type"]


def test_the_text_is_read_title_first_and_description_last():
    cells = {"item_id": ["1"], "description": ["x" * 90], "artist": ["A"], "summary": ["s"], "title": ["T"], "essay": ["y" * 90]}
    order = [use.column for use in plan(cells).columns if use.role.startswith("text.") or use.why]
    assert order == ["title", "artist", "summary", "description", "essay"]


def test_what_a_column_holds_overrules_its_name():
    assert roles({"item_id": ["1"], "title": ["x"], "price": ["cheap", "dear"]})["price"] == "attributes.price"
    assert roles({"user": ["1"], "item": ["2"], "time": ["Weekend", "Weekday"]})["time"] == "ignored"
    assert roles({"user": ["1"], "item": ["2"], "label": ["good", "bad"]})["label"] == "ignored"
    assert roles({"user": ["1"], "item": ["2"], "label": ["0", "1"]})["label"] == "clicked"


def test_an_id_that_repeats_is_none():
    understood = plan("id user item", ambiguous={"id"})
    assert understood.roles()["ignored"][0].column == "id"
    assert any("does not tell events apart" in note for note in understood.notes)


def test_one_value_an_event():
    assert roles("user item rating quantity") == {"user": "user", "item": "item", "rating": "rating", "quantity": "ignored"}
    assert roles("user item value rating")["rating"] == "ignored"


@pytest.mark.parametrize("cells", [["a|b", "c"], ["Action|Drama"]])
def test_lists_are_seen(cells):
    understood = plan({"item_id": ["1"], "title": ["t"], "genres": cells, "tags": cells})
    assert {use.column: use.form for use in understood.columns if use.column in ("genres", "tags")} == {
        "genres": "list",
        "tags": "list",
    }


def test_numbers_stay_texts_where_they_are_ids():
    understood = plan(
        {"user": ["1"], "item": ["2"], "ctx_store_id": ["436"], "ctx_temperature": ["21.5"]},
        numeric={"ctx_store_id", "ctx_temperature"},
    )
    assert {use.column: use.form for use in understood.columns if use.role.startswith("signals")} == {
        "ctx_store_id": "text",
        "ctx_temperature": "number",
    }


# -- by hand ------------------------------------------------------------------------------------------------------------
def test_a_mapping_wins():
    mapping = {"user": "a", "item": "b", "value": "user", "signals.mood": "c", "ctx_place": "d", "ignored": "e,timestamp"}
    assert roles("a b c d e timestamp user", mapping=mapping, kind="events") == {
        "a": "user",
        "b": "item",
        "user": "value",
        "c": "signals.mood",
        "d": "signals.place",
        "e": "ignored",
        "timestamp": "ignored",
    }


def test_short_names_of_roles():
    mapping = {"id": "x", "title": "y", "description": "z", "brand": "w"}
    assert roles("x y z w", mapping=mapping, kind="items") == {
        "x": "id",
        "y": "text.title",
        "z": "text.description",
        "w": "attributes.brand",
    }


def test_a_mapping_to_a_column_of_another_file_is_passed_over():
    assert roles("item_id name", mapping={"user": "customer_no"})["name"] == "text.title"


def test_a_mapping_to_no_column_is_refused():
    with pytest.raises(DataError, match=r"titel=nmae.*'nmae'.*name"):
        check_mapping({"titel": "nmae"}, ["id", "name"])


@pytest.mark.parametrize(
    ("columns", "given", "word"),
    [
        ("a b c", {}, "cannot tell"),
        ("a b c", {"kind": "events"}, "item of events"),
        ("item b c", {"kind": "events"}, "user of events"),
        ("a b", {"kind": "items"}, "id of items"),
    ],
)
def test_what_is_missing_is_named_with_a_cure(columns, given, word):
    with pytest.raises(DataError, match=f"{word}.*Cure"):
        plan(columns, **given)


def test_columns_called_like_a_place_in_the_model_go_there():
    found = roles("item_id title media.image text.blurb attributes.fit", file="items.csv")
    assert found["media.image"] == "media.image"
    assert (found["text.blurb"], found["attributes.fit"]) == ("text.blurb", "attributes.fit")
    assert roles("user_id item_id signals.weather")["signals.weather"] == "signals.weather"
    assert roles("user_id item_id signals.weather", mapping={"ignored": "signals.weather"})["signals.weather"] == "ignored"
    assert roles("id age attributes.city", file="users.csv")["attributes.city"] == "attributes.city"
