"""What happens to the marker directory."""
import contextlib
import os

from place import PREFIX, mount_tmpfs, unmount


class Directories:
    """What a schedule does with the directory; a part of run.Run."""

    def do_replace(self, dice):
        """Another directory has the name; the old one is kept, or not."""
        if self.moved:
            return
        with self.wrong("replace", self.history.directory):
            with contextlib.suppress(OSError):
                os.rename(self.place.markers, f"{self.place.top}/old.{len(self.story)}")
                if dice % 2:
                    self.pump(0.005)
                os.mkdir(self.place.markers)
                os.chmod(self.place.markers, self.options["mode"])

    def do_move(self, _):
        if self.moved:
            return
        self.begins("move", self.history.directory)
        try:
            os.rename(self.place.markers, f"{self.place.top}/away")
            self.moved = 1
        except OSError:  # it is covered
            self.ends("move")

    def do_move_back(self, _=0):
        if not self.moved:
            return
        os.rename(f"{self.place.top}/away", self.place.markers)
        self.moved = 0
        self.ends("move")

    def do_detour(self, _):
        """There and back at once."""
        if not self.moved:
            self.do_move(0)
            self.do_move_back()
            self.ends("move")

    def do_cover(self, _):
        self.begins("cover", self.history.directory)
        if not self.moved:
            mount_tmpfs(self.place.markers)
            self.covers += 1

    def do_uncover(self, dice=0):
        if self.moved:
            self.do_move_back()
        while self.covers > 0:
            if not self.wait_until(lambda: unmount(self.place.markers, dice % 2)):
                self.faults.append("something keeps the directory from being unmounted")
                unmount(self.place.markers, True)
            self.covers -= 1
        self.ends("cover")

    def do_flood(self, _):
        """More events than the kernel queues, while the daemon does not read."""
        was_frozen = self.frozen
        if not was_frozen:
            self.do_freeze(0)
        self.begins("flood", self.history.daemon)
        path = f"{self.place.markers}/{PREFIX}3999999"
        with contextlib.suppress(OSError):
            for _ in range(8500):
                os.mknod(path)
                os.unlink(path)
        self.ends("flood")
        if not was_frozen:
            self.do_thaw()
