"""What the middlewares do beyond the routes that the tests of the app go through."""

import asyncio
from types import SimpleNamespace

from starlette.types import Message, Receive, Scope, Send

from model.serving.middleware import BodyLimitMiddleware, RequestIdMiddleware, choose_request_id

CONTEXT = SimpleNamespace(aws_request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd")


def test_choose_request_id_prefers_the_client_when_several_are_at_hand() -> None:
    """The client's id wins over Lambda's, Lambda's over a fresh one, and fresh ones differ."""
    assert choose_request_id("mine", context=CONTEXT) == "mine"
    assert choose_request_id("not mine\n", context=CONTEXT) == CONTEXT.aws_request_id
    assert choose_request_id(None, context=object()) != choose_request_id(None)


def test_middlewares_pass_on_when_the_connection_is_no_request() -> None:
    """Lifespan messages, which have neither id nor body, go through as they are."""
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> Message:
        return await asyncio.sleep(0, {"type": "lifespan.startup"})

    async def send(message: Message) -> None:
        received.append(await asyncio.sleep(0, message))

    scope: Scope = {"type": "lifespan"}
    asyncio.run(RequestIdMiddleware(BodyLimitMiddleware(app))(scope, receive, send))
    assert received == [{"type": "lifespan.startup"}, {"type": "lifespan.startup.complete"}]
    assert scope == {"type": "lifespan"}
