"""Addresses in the settings of a service."""

from __future__ import annotations

import pytest

from occasion.errors import SettingsError
from occasion.service.addresses import check_addresses
from occasion.settings import Settings


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://0.0.0.0/", "http://[::ffff:169.254.169.254]/", "file:///etc/passwd", "gopher://x", "http://"],
)  # fmt: skip
def test_what_is_never_allowed(url):
    for private in (True, False):
        with pytest.raises(SettingsError):
            check_addresses(Settings(weather_url=url, allow_private_urls=private))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost/", "http://10.1.2.3/", "http://[::1]/", "http://192.168.0.1/"]
)
def test_private_addresses_must_be_meant(url):
    with pytest.raises(SettingsError, match="allow_private_urls"):
        check_addresses(Settings(encoder="openai:m", openai_base_url=url))
    check_addresses(Settings(encoder="openai:m", openai_base_url=url, allow_private_urls=True))
    check_addresses(Settings(openai_base_url=url))  # not used, so not asked


def test_public_addresses_pass():
    check_addresses(Settings(weather_url="https://93.184.216.34/v1", encoder="openai:m", openai_base_url="https://8.8.8.8/v1"))


def test_every_setting_that_is_an_address_is_looked_at():
    names = [name for name in Settings.model_fields if name.endswith("_url") and name != "store_url"]
    assert set(names) >= {"weather_url", "openai_base_url"}
    for name in names:
        with pytest.raises(SettingsError, match=name):
            check_addresses(Settings(**{name: "http://169.254.169.254/"}, encoder="openai:m", allow_private_urls=True))
