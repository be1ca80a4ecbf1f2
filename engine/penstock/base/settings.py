"""Settings: environment variables `PENSTOCK_<NAME>`, read once, when first needed.

No profiles, no files. `temporary_settings` lays values over them for a block. A bad value is an error that names the
variable, at first use. Neighbours: everything reads `get_current_settings()`; the pod's variables have their own module.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from penstock.base.managers import Manager


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on", "t", "y"):
        return True
    if lowered in ("0", "false", "no", "off", "f", "n", ""):
        return False
    raise ValueError("true or false is expected")


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("a number of 0 or more is expected")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if number < 0:
        raise ValueError("seconds of 0 or more are expected")
    return number


def _delays(text: str) -> Any:
    if text.strip().startswith("["):
        import json

        return [float(item) for item in json.loads(text)]
    if "," in text:
        return [float(item) for item in text.split(",")]
    return float(text)


def _level(text: str) -> str | int:
    if text.strip().isdigit():
        return int(text)
    name = text.strip().upper()
    if name not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):  # these are known without the module
        import logging

        if not isinstance(logging.getLevelName(name), int):
            raise ValueError("the name of a log level is expected")
    return name


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _optional(cast: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.strip().lower() in ("", "none", "null") else cast(text)


def _choice(*allowed: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        for value in allowed:
            if text.strip().lower() == value.lower():
                return value
        raise ValueError(f"one of {', '.join(allowed)} is expected")

    return cast


# name (also the path of the attribute): cast, default
SPECS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "home": (_optional(str), None),
    "debug_mode": (_flag, False),
    "flows.default_retries": (_whole, 0),
    "flows.default_retry_delay_seconds": (_delays, 0),
    "flows.heartbeat_frequency": (_optional(_seconds), None),
    "tasks.default_retries": (_whole, 0),
    "tasks.default_retry_delay_seconds": (_delays, 0),
    "tasks.default_persist_result": (_optional(_flag), None),
    "tasks.default_no_cache": (_flag, False),
    "tasks.disable_caching": (_flag, False),
    "tasks.refresh_cache": (_flag, False),
    "tasks.cancel_wait_seconds": (_seconds, 0.0),
    "tasks.runner.thread_pool_max_workers": (_optional(_whole), 32),
    "tasks.runner.process_pool_max_workers": (_optional(_whole), None),
    "results.storage": (_optional(str), None),
    "results.persist_by_default": (_flag, False),
    "results.default_serializer": (str, "pickle"),
    "results.local_storage_path": (_optional(str), None),
    "results.fsync": (_flag, False),
    "results.required": (_flag, False),
    "results.preview": (_choice("Always", "Never"), "Always"),
    "logging.level": (_level, "INFO"),
    "logging.log_prints": (_flag, False),
    "logging.format": (_choice("auto", "text", "json"), "auto"),
    "logging.extra_loggers": (_names, []),
    "pod.claim_timeout_seconds": (_seconds, 300.0),
    "pod.report_timeout_seconds": (_seconds, 60.0),
    "pod.progress_seconds": (_seconds, 30.0),
    "pod.intent_poll_seconds": (_seconds, 0.2),
    "pod.long_wait_seconds": (_seconds, 60.0),
    "pod.suspend_wait_seconds": (_seconds, 10.0),
    "pod.liveness_seconds": (_seconds, 300.0),
}

# Names by which some settings are known as well.
OTHER_NAMES = {
    "PENSTOCK_LOCAL_STORAGE_PATH": "results.local_storage_path",
    "PENSTOCK_FLOW_DEFAULT_RETRIES": "flows.default_retries",
    "PENSTOCK_FLOW_DEFAULT_RETRY_DELAY_SECONDS": "flows.default_retry_delay_seconds",
    "PENSTOCK_TASK_DEFAULT_RETRIES": "tasks.default_retries",
    "PENSTOCK_TASK_DEFAULT_RETRY_DELAY_SECONDS": "tasks.default_retry_delay_seconds",
    "PENSTOCK_TASK_RUNNER_THREAD_POOL_MAX_WORKERS": "tasks.runner.thread_pool_max_workers",
}


def variable(name: str) -> str:
    """The environment variable of a setting: `tasks.default_retries` is `PENSTOCK_TASKS_DEFAULT_RETRIES`."""
    return "PENSTOCK_" + name.replace(".", "_").upper()


class Group:
    """The settings below one prefix, as attributes."""

    def __init__(self, settings: Settings, prefix: str) -> None:
        self._settings = settings
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        path = f"{self._prefix}.{name}"
        if path in SPECS:
            value = self._settings.get(path)
            self.__dict__[name] = value
            return value
        if any(known.startswith(path + ".") for known in SPECS):
            group = Group(self._settings, path)
            self.__dict__[name] = group
            return group
        raise AttributeError(f"There is no setting {path!r}; known: {', '.join(SPECS)}.")


_STORAGE = "results.local_storage_path"


class Settings:
    """Every setting, read when first asked for.

    Args:
        given: values by setting name, over those of the environment.
        base: what holds where nothing is given; default: the environment.
    """

    def __init__(self, given: Mapping[str, Any] | None = None, base: Settings | None = None) -> None:
        self._given = dict(given or {})
        self._base = base

    def get(self, path: str) -> Any:
        """The value of a setting by its full name; where results go, if nothing was said, is below the home.

        Raises:
            ValueError: the value given cannot be read; names the variable.
        """
        return self.storage_path() if path == _STORAGE else self._said(path)

    def _said(self, path: str) -> Any:
        cast, default = SPECS[path]
        if path in self._given:
            value = self._given[path]
            return _cast(path, cast, value) if isinstance(value, str) else value
        if self._base is not None:
            return self._base._said(path)
        for name in (variable(path), *(other for other, same in OTHER_NAMES.items() if same == path)):
            text = os.environ.get(name)
            if text is not None:
                return _cast(path, cast, text)
        if path == "logging.level" and self._said("debug_mode"):
            return "DEBUG"
        return default

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "home":
            value: Any = self._home()
        elif name in SPECS:
            value = self.get(name)
        elif any(known.startswith(name + ".") for known in SPECS):
            value = Group(self, name)
        else:
            raise AttributeError(f"There is no setting {name!r}; known: {', '.join(SPECS)}.")
        self.__dict__[name] = value
        return value

    def _home(self) -> Path:
        from pathlib import Path

        given = self._said("home")
        return Path(given).expanduser() if given is not None else Path.home() / ".penstock"

    def storage_path(self) -> Path:
        """Where results go when no storage was configured."""
        from pathlib import Path

        given = self._said(_STORAGE)
        return Path(given).expanduser() if given is not None else self._home() / "storage"

    def changed(self, updates: Mapping[str, Any], reset: set[str]) -> Settings:
        """These settings with some values laid over, and some back at their defaults."""
        return Settings({**{path: SPECS[path][1] for path in reset}, **updates}, self)

    def copy_with_update(
        self,
        updates: Mapping[Any, Any] | None = None,
        set_defaults: Mapping[Any, Any] | None = None,
        restore_defaults: Iterable[Any] | None = None,
    ) -> Settings:
        """These settings with changes; arguments, and what is raised, as for `temporary_settings`."""
        given: dict[str, Any] = {}
        for key, value in (set_defaults or {}).items():
            path = _path(key)
            if self._said(path) == SPECS[path][1]:
                given[path] = value
        reset = {_path(key) for key in restore_defaults or ()}
        for key, value in (updates or {}).items():
            path = _path(key)
            given[path] = SPECS[path][1] if value is None else (str(value) if path == "home" else value)
        return self.changed(given, reset)

    def _flat(self) -> dict[str, Any]:
        """Values that were laid over the environment's, for another process."""
        return {**(self._base._flat() if self._base is not None else {}), **self._given}

    def __hash__(self) -> int:
        return id(self)


def _cast(path: str, cast: Callable[[str], Any], text: str) -> Any:
    try:
        return cast(text)
    except ValueError as exc:
        raise ValueError(f"{variable(path)}={text!r} cannot be used: {exc}.") from None


class Setting:
    """One setting as a constant, `PENSTOCK_...`: names it, and gives its current value."""

    def __init__(self, path: str, name: str | None = None) -> None:
        self.path = path
        self.name = name or variable(path)

    def value(self) -> Any:
        """The current value."""
        return self.value_from(get_current_settings())

    def default(self) -> Any:
        """The value when nothing is set."""
        return SPECS[self.path][1]

    def value_from(self, settings: Settings) -> Any:
        """The value in other settings."""
        return settings.home if self.path == "home" else settings.get(self.path)

    def __bool__(self) -> bool:
        return bool(self.value())

    def __str__(self) -> str:
        return str(self.value())

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __hash__(self) -> int:
        return hash(self.path)

    def __eq__(self, other: object) -> bool:
        return other.path == self.path if isinstance(other, Setting) else bool(self.value() == other)


_of_process = Settings()
_current: ContextVar[Settings | None] = ContextVar("penstock_settings", default=None)
_by_variable = {**{variable(path): path for path in SPECS}, **OTHER_NAMES}


def get_current_settings() -> Settings:
    """The settings that hold here."""
    return _current.get() or _of_process


def holds(settings: Settings) -> None:
    """Have the settings hold in this context from now on."""
    _current.set(settings)


def temporary_settings(
    updates: Mapping[Any, Any] | None = None,
    set_defaults: Mapping[Any, Any] | None = None,
    restore_defaults: Any = None,
) -> Manager[Settings]:
    """Lay values over the settings for a block.

    Args:
        updates: values by `PENSTOCK_...` constant, its name, or the setting's name; None resets to the default.
        set_defaults: values for settings that nothing has set.
        restore_defaults: settings that go back to their defaults.

    Raises:
        ValueError: there is no such setting.
    """
    from penstock.base.managers import Manager

    return Manager(_laid_over, (updates, set_defaults, restore_defaults), {})


def _laid_over(*changes: Any) -> Iterator[Settings]:
    token = _current.set(get_current_settings().copy_with_update(*changes))
    try:
        yield get_current_settings()
    finally:
        _current.reset(token)


def _path(key: Any) -> str:
    name = key.path if isinstance(key, Setting) else _ours(str(key))
    path = _by_variable.get(name, name)
    if path not in SPECS:
        raise ValueError(f"There is no setting {name!r}; known: {', '.join(_by_variable)}.")
    return path


def _ours(name: str) -> str:
    """The name as it is here: `PREFECT_X` is `PENSTOCK_X`."""
    return "PENSTOCK_" + name.removeprefix("PREFECT_") if name.startswith("PREFECT_") else name


def __getattr__(name: str) -> Any:
    known = _ours(name)
    if known in _by_variable:
        return Setting(_by_variable[known], known)
    raise AttributeError(f"module 'penstock.settings' has no attribute {name!r}")
