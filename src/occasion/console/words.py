"""Words: what the frame says, in English and Chinese, and how tables of words are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FRAME", "LOCALES", "Words", "say"]

LOCALES = ("en", "zh")
Words = Mapping[str, tuple[str, str]]
"""Name to the text in each of `LOCALES`; ``{n}`` stands for a value."""

FRAME: Words = {
    "skip": ("Skip to the content", "跳到正文"),
    "navigation": ("Pages", "页面"),
    "menu": ("Show or hide the pages", "显示或隐藏页面列表"),
    "language": ("中文", "English"),
    "language_label": ("Switch to Chinese", "切换到英文"),
    "theme": ("Light or dark", "浅色或深色"),
    "sign_out": ("Sign out", "退出"),
    "sign_in": ("Sign in", "登录"),
    "key": ("Access key", "访问密钥"),
    "key_hint": (
        "A key made by `occasion keys create`. It is not stored in the browser; the session ends after {hours:g} hours.",
        "由 `occasion keys create` 生成的密钥。浏览器不保存密钥；会话在 {hours:g} 小时后结束。",
    ),
    "key_wrong": ("This key is not known, or no longer good.", "密钥无效或已过期。"),
    "foreign": ("The form came from another site. Open this page anew.", "表单来自其他网站，请重新打开此页。"),
    "no_key_yet": (
        "There is no key yet. Make one on the machine: occasion keys create --role admin",
        "还没有密钥。请在服务器上运行：occasion keys create --role admin",
    ),
    "open": ("open on this machine", "本机开放"),
    "tenant": ("Tenant {tenant}, role {role}", "租户 {tenant}，角色 {role}"),
    "role_needed": (
        "This page needs a key of the role {role}, yours has the role {mine}.",
        "此页需要角色为 {role} 的密钥，您的角色是 {mine}。",
    ),
    "signed_out": ("You are signed out.", "您已退出登录。"),
    "sign_in_first": ("Sign in first.", "请先登录。"),
    "too_large": ("The file is larger than {most:,} bytes.", "文件大于 {most:,} 字节。"),
    "sign_in_again": ("Sign in again.", "请重新登录。"),
    "role_cure": ("Sign in with another key.", "请用其他密钥登录。"),
    "trouble": ("That did not work", "操作未成功"),
    "unforeseen": (
        "Something unforeseen happened. The service's log has the cause.",
        "出现意外错误，原因见服务日志。",
    ),
    "again": ("Try again", "重试"),
    "retry_later": ("Try again in a moment.", "请稍后重试。"),
    "starting": ("The service still loads its vectors.", "服务仍在加载向量。"),
    "loading_encode": ("Items become vectors: {done:,} of {total:,}", "正在生成商品向量：{done:,} / {total:,}"),
    "loading_events": ("Events are counted: {done:,} of {total:,}", "正在统计事件：{done:,} / {total:,}"),
    "busy": ("The service is busy.", "服务繁忙。"),
    "empty": ("There is nothing here yet.", "这里还没有内容。"),
    "set_up": ("Load demo data or import your own", "加载演示数据或导入自己的数据"),
    "cancel": ("Cancel", "取消"),
    "close": ("Close", "关闭"),
    "save": ("Save", "保存"),
    "copied": ("Copied.", "已复制。"),
    "loading": ("Loading", "加载中"),
}


def say(words: Words, locale: str, name: str, **values: Any) -> str:
    """Return a text of a table, else of the frame's.

    Raises
    ------
    KeyError
        Where neither table has it.
    """
    texts = words.get(name) or FRAME[name]
    text = texts[LOCALES.index(locale)]
    return text.format(**values) if values else text
