"""A session goes on without the gateway that began it, if its policy allows that, until it is unread for too long."""

from unit.support.sessions import Stage, wait
from unit.support.virtual_time import virtual_time

from penstock_contract.stream.descriptor import DisconnectPolicy


async def serving(policy: DisconnectPolicy | None) -> Stage:
    """A session in the middle of its answer."""
    stage = Stage((wait,), disconnect=policy)
    await stage.settle()
    return stage


@virtual_time
async def test_session_without_a_policy_ends_with_its_gateway() -> None:
    stage = await serving(None)
    assert stage.session.release("gw-2", 10.0)
    assert not stage.session.release("gw-1", 10.0)
    stage.task.cancel()


@virtual_time
async def test_session_with_grace_ends_when_it_is_unread_for_that_time() -> None:
    stage = await serving(DisconnectPolicy(5.0))
    session = stage.session
    session.stream.attach("gw-2", 0)
    assert session.release("gw-1", 10.0)
    assert not session.unread_too_long(1000.0)
    assert session.release("gw-2", 1000.0)
    assert not session.unread_too_long(1005.0)
    assert session.unread_too_long(1005.1)
    stage.task.cancel()


@virtual_time
async def test_detached_session_is_never_unread_for_too_long() -> None:
    stage = await serving(DisconnectPolicy(None, 60.0))
    assert stage.session.release("gw-1", 10.0)
    assert not stage.session.unread_too_long(1e9)
    stage.task.cancel()
