import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from hookward.adapters.processes import INCARNATION, NOT_STARTED, Child, Supervisor, die_with, trim_log
from hookward.domain.errors import ConfigError
from tests.integration.observing import is_running, program, until

type_of_loop = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)

FOREVER = "import signal; signal.pause()"


def python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program, *arguments)


def on(loop_factory, scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = supervisor.pid(name)
    assert pid is not None
    return pid


class Exits(list[tuple[str, int, str]]):
    """What the supervisor reported, in order, and when."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, name: str, returncode: int, incarnation: str) -> None:
        self.append((name, returncode, incarnation))
        self.times.append(asyncio.get_running_loop().time())


@type_of_loop
def test_a_child_that_is_killed_is_reported_and_lives_again(loop_factory):
    exits = Exits()

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            await supervisor.start(Child(name="sleeper", argv=python(FOREVER)))
            first = pid_of(supervisor, "sleeper")
            os.kill(first, signal.SIGKILL)
            await until(lambda: supervisor.pid("sleeper") not in {first, None}, seconds=2)
            assert [ended[:2] for ended in exits] == [("sleeper", -signal.SIGKILL)]

    on(loop_factory, scenario)
    assert [ended[:2] for ended in exits] == [("sleeper", -signal.SIGKILL), ("sleeper", -signal.SIGTERM)]
    assert exits[0][2] != exits[1][2]


@type_of_loop
def test_a_child_that_cannot_live_is_reported_each_time_and_tried_less_often(loop_factory):
    exits = Exits()
    delays = (0.0, 0.05, 0.2)

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            await supervisor.start(Child(name="broken", argv=python("raise SystemExit(3)"), restart_delays=delays))
            await until(lambda: len(exits) >= 5)

    on(loop_factory, scenario)
    assert {ended[:2] for ended in exits} == {("broken", 3)}
    pauses = [later - earlier for earlier, later in zip(exits.times, exits.times[1:], strict=False)]
    assert [pause >= delay for pause, delay in zip(pauses, (0.0, 0.05, 0.2, 0.2), strict=False)] == [True] * 4


def test_by_default_no_pause_reaches_two_seconds_and_the_first_is_none():
    delays = Child(name="any", argv=()).restart_delays

    assert (delays[0], max(delays) < 2, list(delays) == sorted(delays)) == (0.0, True, True)


@type_of_loop
def test_a_program_that_does_not_exist_is_reported(loop_factory, tmp_path):
    exits = Exits()

    async def never() -> bool:
        return False

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            missing = Child(name="missing", argv=(str(tmp_path / "none"),), ready=never, start_timeout=0.2)
            with pytest.raises(ConfigError):
                await supervisor.start(missing)

    on(loop_factory, scenario)
    assert exits[0][:2] == ("missing", NOT_STARTED)


@type_of_loop
def test_a_child_that_never_gets_ready_is_ended_and_refused_by_name(loop_factory, tmp_path):
    exits = Exits()

    async def never() -> bool:
        return False

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            child = Child(name="slow", argv=python(FOREVER), ready=never, start_timeout=0.3, log=tmp_path / "slow.log")
            with pytest.raises(ConfigError, match=r"slow was not ready within 0\.3 s, see .*slow\.log"):
                await supervisor.start(child)

    on(loop_factory, scenario)
    assert len(exits) == 1


@type_of_loop
def test_children_end_in_the_order_that_is_asked_for_and_the_rest_backwards(loop_factory):
    exits = Exits()

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            for name in ("store", "queue", "api", "worker"):
                await supervisor.start(Child(name=name, argv=python(FOREVER)))
            await supervisor.stop("api", "worker", "never started")

    on(loop_factory, scenario)
    assert [ended[0] for ended in exits] == ["api", "worker", "queue", "store"]


@type_of_loop
def test_a_child_that_will_not_end_is_killed(loop_factory, tmp_path):
    exits = Exits()
    deaf = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    )
    log = tmp_path / "deaf.log"

    async def is_deaf() -> bool:
        return "deaf" in log.read_text()

    async def scenario() -> None:
        async with Supervisor(on_exit=exits) as supervisor:
            await supervisor.start(Child(name="deaf", argv=python(deaf), ready=is_deaf, log=log, grace=0.1))

    on(loop_factory, scenario)
    assert [ended[:2] for ended in exits] == [("deaf", -signal.SIGKILL)]


@type_of_loop
def test_a_child_knows_its_incarnation_and_what_was_added_to_its_environment(loop_factory, tmp_path):
    exits = Exits()
    log = tmp_path / "child.log"
    tell = "import os, sys; print(sys.argv[1], os.environ['LIFE'], os.environ['BASE'], flush=True)"

    async def scenario() -> None:
        async with Supervisor(on_exit=exits, environment={"BASE": "base"}) as supervisor:
            argv = python(tell, f"--life={INCARNATION}")
            await supervisor.start(Child(name="teller", argv=argv, environment={"LIFE": INCARNATION}, log=log))
            await until(lambda: exits)

    on(loop_factory, scenario)
    life = exits[0][2]
    assert log.read_text().splitlines()[0] == f"--life={life} {life} base"


@type_of_loop
def test_a_child_has_a_session_of_its_own(loop_factory):
    async def scenario() -> None:
        async with Supervisor() as supervisor:
            await supervisor.start(Child(name="sleeper", argv=python(FOREVER)))
            pid = pid_of(supervisor, "sleeper")
            assert os.getsid(pid) == pid

    on(loop_factory, scenario)


async def test_additions_need_an_environment_to_add_to():
    async with Supervisor() as supervisor:
        with pytest.raises(ValueError, match="environment"):
            await supervisor.start(Child(name="child", argv=python(FOREVER), environment={"A": "b"}))


async def test_a_name_is_used_once():
    async with Supervisor() as supervisor:
        await supervisor.start(Child(name="child", argv=python(FOREVER)))
        with pytest.raises(ValueError, match="started before"):
            await supervisor.start(Child(name="child", argv=python(FOREVER)))


def test_another_thread_may_not_start_children():
    problems = []

    async def scenario() -> None:
        with pytest.raises(RuntimeError, match="main thread") as refusal:
            await Supervisor().start(Child(name="child", argv=python(FOREVER)))
        problems.append(refusal)

    thread = threading.Thread(target=lambda: asyncio.run(scenario()))
    thread.start()
    thread.join()
    assert len(problems) == 1


async def test_the_watcher_learns_that_supervision_broke():
    def broken(*_: object) -> None:
        raise LookupError("broken callback")

    supervisor = Supervisor(on_exit=broken)
    await supervisor.start(Child(name="child", argv=python(FOREVER)))
    await supervisor.start(Child(name="other", argv=python(FOREVER)))
    other = pid_of(supervisor, "other")
    os.kill(pid_of(supervisor, "child"), signal.SIGKILL)

    with pytest.raises(LookupError, match="broken callback"):
        await asyncio.wait_for(supervisor.watch(), 10)

    with pytest.raises(LookupError, match="broken callback"):
        await supervisor.stop("child", "other")
    assert not is_running(other)


def test_a_log_is_cut_when_it_is_too_long_and_its_end_is_kept(tmp_path):
    log = tmp_path / "child.log"
    with log.open("a") as writer:
        writer.write("first\n" + "x" * 100 + "last\n")
        writer.flush()

        trim_log(log, limit=50)
        writer.write("afresh\n")

    assert (log.read_text(), len(kept(log)), kept(log)[-6:]) == ("afresh\n", 50, "xlast\n")


def test_a_log_within_its_bound_is_left_alone(tmp_path):
    log = tmp_path / "child.log"
    log.write_text("short\n")

    trim_log(log, limit=50)
    trim_log(tmp_path / "none.log", limit=50)

    assert log.read_text() == "short\n"


def kept(log: Path) -> str:
    return log.with_name(log.name + ".1").read_text()


def test_a_process_whose_parent_is_gone_ends_itself():
    if (child := os.fork()) == 0:
        try:
            die_with(parent=1 << 22)
        except SystemExit:
            os._exit(7)
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
async def test_our_own_children_end_when_their_parent_is_killed(tmp_path, kind):
    log = tmp_path / "child.log"
    with program("tests.integration.parent", kind, log) as parent:
        await until(lambda: log.exists() and log.read_text().endswith("\n"))
        child = int(log.read_text())
        assert is_running(child)

        parent.kill()
        parent.wait()

        await until(lambda: not is_running(child))
