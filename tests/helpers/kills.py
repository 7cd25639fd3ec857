"""Kill a run of a stage again and again, and count what that cost."""

import dataclasses
import shutil
import subprocess

from tests.helpers.stage_runs import digests, kill_group


@dataclasses.dataclass
class Tally:
    kills: int = 0
    middle: int = 0
    twice: int = 0
    shards: int = 0
    finished: int = 0


def disturb(run, expected, kills, seconds, generator, forget=lambda: None):
    """Kill a run at random moments of its work and start it again, until it ends by itself; and from scratch again."""
    count = sum(name.endswith(".h5") for name in expected)
    tally, known = Tally(), {}

    def check():
        nonlocal known
        now = run.whole()
        tally.twice += sum(now.get(name) != made for name, made in known.items())
        tally.shards += len(known.keys() | now.keys()) - len(known)
        known |= now
        return len(now)

    def check_finished():
        nonlocal known
        assert check() == count
        assert digests(run.output) == expected
        inodes = {path.stat().st_ino for path in run.output.rglob("*.h5")}
        if run.code:  # DVC puts copies of its own in the place of outputs
            assert inodes == {inode for inode, _ in known.values()}
        tally.finished += 1
        known = {}

    while tally.kills < kills:
        process = run.start_work()
        try:
            result = process.wait(generator.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            kill_group(process)
            tally.kills += 1
            found = check()
            tally.middle += 0 < found < count
            if found < count and tally.kills < kills:
                continue
            run.finish()
            result = 0
        assert result == 0, run.log.read_text()
        check_finished()
        if tally.kills < kills:
            shutil.rmtree(run.work)
            forget()
    return tally


def report(capsys, title, tally):
    with capsys.disabled():
        print(  # noqa: T201 - a person wants to see how often it hit
            f"\n{title}: {tally.kills} kills, {tally.middle} with some of the shards whole, {tally.shards} shards in "
            f"{tally.finished} runs that ended, {tally.twice} made twice, bytes equal"
        )
