"""Settings of a hub process, from the environment (`MASTERCOPY_*`) and the command line; each says what it is for."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What one process needs to know beside its home's hub.yaml."""

    model_config = SettingsConfigDict(env_prefix="MASTERCOPY_", extra="ignore", frozen=True)

    home: Path = Field(default=Path("mastercopy-home"), description="The folder with the store, the spool and the instance's own systems")
    host: str = Field(default="127.0.0.1", description="Address of the web doors; loopback unless said otherwise")
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the web doors; 0 takes a free one")
    workers: int = Field(default=max(1, (os.cpu_count() or 2) - 1), ge=1, description="Processes that decode beside the leader")
    pending_limit: int = Field(default=5_000_000, ge=1, description="Records that may wait to be applied before the doors push back")
    age_limit: float = Field(default=3600.0, gt=0, description="Age in seconds of the oldest waiting record at which the doors push back")
    free_limit: int = Field(default=200_000_000, ge=0, description="Free bytes on the store's disk below which the doors push back")
    log_level: str = Field(default="info", description="debug, info, warning or error")
    log_json: bool = Field(default=False, description="Logs as JSON, one object a line")
