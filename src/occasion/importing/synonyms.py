"""How other systems name columns and event types, in English and Chinese. Names are compared in lower case, without punctuation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields

from occasion.data import Slate
from occasion.importing import chinese

__all__ = [
    "ALSO_TEXT",
    "ASKED_FOR",
    "BARE_IDS",
    "CATEGORIES",
    "CONSENT_ROLES",
    "EVENT_ROLES",
    "EVENT_TYPE_NAMES",
    "ID_LIKE",
    "ITEM_ROLES",
    "KNOWN_SIGNALS",
    "NAME_HINTS",
    "OUTCOME",
    "PURCHASE_COLUMNS",
    "ROLES",
    "SIGNAL",
    "SLATE_ROLES",
    "TEXT_NAMES",
    "TYPE_HINTS",
    "USER_HINTS",
    "USER_ROLES",
    "VALUE_ROLES",
]

_USER = (
    "user userid uid visitor visitorid customer customerid customernumber member memberid reviewer reviewerid person personid "
    "account accountid household householdid householdkey clientid buyerid"
).split()
_ITEM = (
    "item itemid iid product productid productcode asin parentasin sku stockcode article articleid movie movieid film filmid "
    "song songid track trackid video videoid book bookid isbn news newsid content contentid game gameid app appid poi poiid "
    "place placeid post postid course courseid recipe recipeid offer offerid"
).split()


def _both(english: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    return {role: [*names, *others.get(role, ())] for role, names in english.items()}


_EVENT_ROLES: Mapping[str, Sequence[str]] = {
    "user": _USER,
    "item": _ITEM,
    "session": "session sessionid visit visitid basket basketid order orderid invoice invoiceno transactionid orderno".split(),
    "at": (
        "at timestamp time datetime date ts eventtime eventtimestamp unixtime unixreviewtime unixtimestamp createdat "
        "occurredat sentat when reviewtime purchasedate orderdate invoicedate clicktime"
    ).split(),
    "type": (
        "type event eventtype eventname action interaction interactiontype behavior behaviour behaviortype "
        "behaviourtype feedbacktype"
    ).split(),
    "value": ["value", "eventvalue"],
    "rating": "rating ratings stars overall score reviewscore".split(),
    "amount": (
        "quantity qty count playcount plays usagecount amount dwell dwellseconds dwelltime watchtime watchseconds "
        "listenseconds playseconds"
    ).split(),
    "clicked": "clicked isclicked click isclick label target".split(),
    "text": "text query searchquery searchterm searchterms utterance request contexttext".split(),
    "signals": "signals context contexts".split(),
    "slate": "slate slateid recommendationid impressionid attributiontoken".split(),
    "id": "id eventid interactionid interid feedbackid".split(),
}
EVENT_ROLES = _both(_EVENT_ROLES, chinese.EVENT_ROLES)
_ITEM_ROLES: Mapping[str, Sequence[str]] = {
    "id": [*_ITEM, "id"],
    "text.title": (
        "title name itemname itemtitle productname producttitle headline songtitle movietitle trackname displayname caption"
    ).split(),
    "text.description": "description desc longdescription productdescription details".split(),
    "text": ["text", "texts"],
    "attributes": ["attributes", "attrs"],
    "price": "price saleprice currentprice listprice unitprice".split(),
    "available_from": "availablefrom startsat validfrom".split(),
    "available_until": "availableuntil expiresat expires validuntil expirationtime".split(),
    "media": ["media"],
    "media.image": (
        "image imageurl imagepath picture pictureurl poster posterurl thumbnail thumbnailurl img imgurl cover coverurl"
    ).split(),
    "media.audio": "audio audiourl audiopath previewurl".split(),
    "media.video": "video videourl videopath trailer trailerurl".split(),
}
ITEM_ROLES = _both(_ITEM_ROLES, chinese.ITEM_ROLES)
# From broad to narrow: several of these columns make one path.
_CATEGORIES = (
    "department mastercategory maincategory category1 category1id topcategory".split(),
    (
        "category categories genre genres itemcategory productcategory categoryname topic topics section class itemclass "
        "category2 category2id"
    ).split(),
    "subcategory subcategories subtopic category3 category3id".split(),
    "producttype articletype subsubcategory category4".split(),
)
CATEGORIES = tuple([*english, *others] for english, others in zip(_CATEGORIES, chinese.CATEGORIES, strict=True))
ALSO_TEXT = frozenset(
    (
        *"brand artist artists author authors director directors actors cast publisher manufacturer developer".split(),
        *chinese.ALSO_TEXT,
    )
)
# What people ask for in words; where it is a code ("en", "US"), it is an attribute alone.
ASKED_FOR = frozenset(
    (
        "keyword keywords tag tags country countries language languages color colors colour colours material materials style "
        "styles mood moods theme themes cuisine cuisines ingredients flavor flavors flavour flavours season usage occasion "
        "gender audience"
    ).split()
    + chinese.ASKED_FOR
)
TEXT_NAMES = frozenset(
    "abstract summary body content synopsis plot overview tagline subtitle lyrics features shortdescription".split()
    + chinese.TEXT_NAMES
)
BARE_IDS = frozenset({"id", "编号"})
"""What an id is called that does not say of what."""
USER_ROLES: Mapping[str, Sequence[str]] = {"id": [*_USER, *chinese.USER, *sorted(BARE_IDS)], "attributes": ["attributes", "attrs"]}
SLATE_ROLES: Mapping[str, Sequence[str]] = {field.name: [field.name] for field in fields(Slate)}
CONSENT_ROLES: Mapping[str, Sequence[str]] = {
    "user": EVENT_ROLES["user"],
    "session": EVENT_ROLES["session"],
    "purpose": ["purpose"],
    "granted": "granted allowed consented".split(),
    "at": EVENT_ROLES["at"],
}
# An event has one value: of several such columns the first kind counts.
VALUE_ROLES = frozenset({"value", "rating", "amount"})
ROLES = {"events": EVENT_ROLES, "items": ITEM_ROLES, "users": USER_ROLES, "slates": SLATE_ROLES, "consents": CONSENT_ROLES}

SIGNAL = re.compile(r"(ctx|context|signals?)[_.](?P<name>.+)", re.IGNORECASE)
KNOWN_SIGNALS = frozenset(
    "weather temperature device devicetype company companion mood activity location daytime weekday season city country".split()
    + chinese.KNOWN_SIGNALS
)
OUTCOME = re.compile(r"(outcome|emo_?post|post_?emo|after|result)s?([_.]|$)", re.IGNORECASE)
ID_LIKE = re.compile(
    r"(^|_)(id|ids|code|zip|zipcode|postcode|phone|isbn|ean|gtin|sku|key|number|no)$|(编号|编码|代码|号)$", re.IGNORECASE
)
USER_HINTS = frozenset(
    "age gender sex occupation income birthyear zip zipcode householdsize maritalstatus country language".split()
    + chinese.USER_HINTS
)


def _named(kind: str) -> str:
    return f".*(?:{chinese.FILES[kind]}).*"


NAME_HINTS = {
    "consents": re.compile(r"consents?"),
    "slates": re.compile(r"slates?|recommendations?"),
    "items": re.compile(
        r"items?|products?|catalog(ue)?s?|movies?|films?|books?|songs?|tracks?|articles?|news|metadata|" + _named("items")
    ),
    "users": re.compile(r"users?|customers?|members?|people|persons?|households?|demographics?|" + _named("users")),
    "events": re.compile(
        r"events?|interactions?|ratings?|reviews?|clicks?|views?|purchases?|transactions?|orders?|logs?|feedback|history|"
        + _named("events")
    ),
}
TYPE_HINTS = {
    "purchase": re.compile(
        r"purchases?|transactions?|orders?|sales|baskets?|invoices?|.*(?:" + chinese.TYPE_FILES["purchase"] + r").*"
    ),
    "view": re.compile(r"views?|pageviews?|.*(?:" + chinese.TYPE_FILES["view"] + r").*"),
    "play": re.compile(r"plays?|listens?|watch(es)?|streams?|.*(?:" + chinese.TYPE_FILES["play"] + r").*"),
}
PURCHASE_COLUMNS = frozenset(
    "quantity qty salesvalue basketid orderid orderno invoice invoiceno unitprice invoicedate orderdate purchasedate".split()
    + chinese.PURCHASE_COLUMNS
)
EVENT_TYPE_NAMES: Mapping[str, str] = {
    name: known
    for known, names in {
        "view": "pv pageview page_view view_item viewitem detail-page-view detailpageview view_content product_view",
        "cart": "addtocart add_to_cart add-to-cart addcart basket add_to_basket",
        "purchase": "transaction buy bought order ordered purchased purchase-complete checkout_complete sale",
        "save": "fav favorite favourite bookmark wishlist add_to_wishlist add-to-wishlist",
        "click": "clicked select_item click-through clk",
        "like": "liked thumbs_up thumbsup upvote",
        "dislike": "disliked thumbs_down thumbsdown downvote",
        "play": "played listen listened watch watched video_play stream",
        "impression": "impressions shown exposure view_item_list",
        "rating": "rate rated review",
        "skip": "skipped",
    }.items()
    for name in names.split()
} | {name: known for known, names in chinese.EVENT_TYPES.items() for name in names.split()}
"""Names that other systems give to event types. A column named ``type`` is taken as it is."""
