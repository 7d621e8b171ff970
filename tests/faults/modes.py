"""What a file is beside its contents: permissions, a link to it, a name as long as names can be."""

import os
import stat

import lowprec as lp
from tests.children import forked, in_child, kill_after
from tests.faults.files import is_readable
from tests.faults.kills import save_again_and_again
from tests.faults.promises import check
from tests.faults.training import big_table, make_model, samples

LONG = "n" * (255 - len(".safetensors")) + ".safetensors"


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def file_modes(folder, rng, kills=20):
    """They are as they were, also where saving is killed; new files have what the umask leaves."""
    home, link, target = folder / "files", folder / "link", folder / "files" / LONG
    umask = int(rng.choice([0o022, 0o077, 0o002, 0o027]))

    def child(ready):
        os.umask(umask)
        home.mkdir()
        for name in ("new", "again"):
            big_table(0).save(home / name)
            check(
                mode_of(home / name) == 0o666 & ~umask, f"{umask:o} left {mode_of(home / name):o}"
            )
        save = lp.Checkpoints(folder / "run")
        make_model(epochs=1).fit(*samples(), save=save)
        modes = {mode_of(path) for path in (folder / "run").iterdir()}
        check(modes == {0o666 & ~umask}, f"{umask:o} left {modes} of checkpoints")
        target.write_bytes(b"before")
        target.chmod(0o640)
        link.symlink_to(target)
        big_table(1).save(link)

    def look():
        check(link.is_symlink() and os.readlink(link) == str(target), "the link")
        check(mode_of(target) == 0o640, f"640 became {mode_of(target):o}")
        check(is_readable(target), "a file is not whole")

    in_child(child)
    look()
    done, sources = 0, [home / "new", home / "again"]
    while done < kills:
        done += kill_after(*forked(save_again_and_again, link, sources), rng.uniform(0, 0.05))
        look()
    return {"killed": done, "umask": f"{umask:03o}"}
