"""How Chinese systems name columns, event types and files. Merged into `occasion.importing.synonyms`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "ALSO_TEXT", "ASKED_FOR", "CATEGORIES", "EVENT_ROLES", "EVENT_TYPES", "FILES", "ITEM_ROLES", "KNOWN_SIGNALS",
    "PURCHASE_COLUMNS", "TEXT_NAMES", "TYPE_FILES", "USER", "USER_HINTS",
]  # fmt: skip


def _ids(nouns: str) -> list[str]:
    """Return nouns as the names of id columns, those that say so first."""
    return [noun + ending for ending in ("id", "编号", "编码", "号", "") for noun in nouns.split()]


USER = _ids("用户 会员 顾客 客户 买家 读者 观众")
ITEM = [*_ids("商品 产品 物品 电影 影片 歌曲 图书 新闻 文章 视频 应用 课程 菜品"), "货号", "条码", "条形码"]
EVENT_ROLES: Mapping[str, Sequence[str]] = {
    "user": USER,
    "item": ITEM,
    "session": ["会话", "会话id", "订单号", "订单编号", "订单id"],
    "at": (
        "时间 时间戳 发生时间 下单时间 购买时间 支付时间 点击时间 浏览时间 评价时间 评论时间 创建时间 订单时间 订单日期 日期"
    ).split(),
    "type": "行为类型 行为 事件类型 事件 操作 动作".split(),
    "value": ["值"],
    "rating": "评分 打分 星级 得分".split(),
    "amount": "数量 件数 购买数量 次数 播放次数 播放时长 观看时长 停留时长".split(),
    "clicked": ["是否点击"],
    "text": "搜索词 查询词 搜索 查询".split(),
    "slate": ["推荐id", "曝光id"],
    "id": "事件id 行为id 记录id".split(),
}
ITEM_ROLES: Mapping[str, Sequence[str]] = {
    "id": [*ITEM, "编号"],
    "text.title": "标题 名称 商品名称 商品名 产品名称 产品名 物品名称 品名 片名 电影名 电影名称 歌名 歌曲名 书名 菜名".split(),
    "text.description": "描述 简介 商品描述 产品描述 介绍 详情 内容简介 剧情简介".split(),
    "price": "价格 售价 单价 现价".split(),
    "available_from": ["上架时间", "开始时间"],
    "available_until": ["下架时间", "结束时间"],
    "media.image": "图片 主图 封面 海报 图片地址 图片链接".split(),
}
CATEGORIES = (
    "一级分类 一级类目 大类".split(),
    "类别 分类 类目 品类 类型 题材 流派 二级分类 二级类目 中类".split(),
    "子类 子类别 三级分类 三级类目 小类".split(),
    "四级分类 四级类目".split(),
)
ALSO_TEXT = "品牌 作者 导演 演员 主演 歌手 艺人 出版社 厂商 制造商 开发商".split()
ASKED_FOR = "关键词 标签 国家 地区 产地 语言 颜色 材质 风格 主题 口味 季节 用途 场合 性别 适用人群".split()
TEXT_NAMES = "摘要 正文 内容 歌词 副标题 卖点 特点".split()
KNOWN_SIGNALS = "天气 温度 气温 设备 同伴 心情 活动 地点 场所 时段 星期 季节 城市 国家".split()
USER_HINTS = "年龄 性别 职业 收入 生日".split()
PURCHASE_COLUMNS = "数量 购买数量 订单号 订单编号 订单id 下单时间 购买时间 支付时间 订单时间 订单日期".split()
FILES = {
    "items": "商品|产品|物品|目录|电影|影片|歌曲|图书|新闻|文章",
    "users": "用户|会员|顾客|客户",
    "events": "行为|订单|交易|日志|记录|评分|评价|评论|点击|浏览|购买|事件",
}
TYPE_FILES = {"purchase": "购买|订单|交易|销售", "view": "浏览", "play": "播放|收听|观看"}
EVENT_TYPES = {
    "view": "浏览 查看",
    "cart": "加购 加入购物车 加购物车",
    "purchase": "购买 下单 成交 支付",
    "save": "收藏",
    "click": "点击",
    "like": "点赞 喜欢 赞",
    "dislike": "不喜欢 踩 讨厌",
    "hide": "隐藏 屏蔽",
    "play": "播放 收听 观看",
    "impression": "曝光 展示",
    "rating": "评分 评价 打分",
    "share": "分享 转发",
    "skip": "跳过",
}
