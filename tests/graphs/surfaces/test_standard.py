"""LangChain's own tests of chat models, on a server that does as it is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from ponder.graphs import PonderChatModel
from tests.fake_server import FakeServer
from tests.graphs.surfaces.pupil import obey

STANDARD = {"temperature": 0, "max_tokens": 100, "timeout": 60, "stop": [], "max_retries": 2}


class TestAsAClass(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return PonderChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai:fake", "base_url": "http://127.0.0.1:9/v1"}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return STANDARD  # keys are the business of the models that are asked


class TestAtWork(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls) -> Iterator[None]:
        with FakeServer(obey) as server:
            cls.url = server.url
            yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return PonderChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai:fake", "base_url": self.url}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return False
