#!/usr/bin/env python3
"""Histories in which a promise is broken, each in one way: the judge must see it. And the same ones unbroken."""
import copy
import sys

from history import Answer, Ask, History, Life, Touch, judge

MS = 10**6


def base(verdict="ready", at=50, **keys):
    """A worker of number 7 that lives from 10 to 100 (ms), with a marker from 20 on; asked at 30."""
    return History(
        lives=[Life("w", 7, 1, (9 * MS, 10 * MS), (100 * MS, 101 * MS), "status=0")],
        touches=[Touch("w", 7, "create", 20 * MS, 21 * MS, True, marks=True)],
        asks=[Ask(0, "wait", "w", 30 * MS, 1000 * MS)],
        answers=[Answer(0, at * MS, verdict, 7, keys)])


def unmarked(*arguments, **keys):
    history = base(*arguments, **keys)
    history.touches = []
    return history


def change(history, **values):
    """The members of the only one of each kind: life_pid=8, ask_way="wire-wait"."""
    history = copy.deepcopy(history)
    for name, value in values.items():
        kind, member = name.split("_", 1)
        setattr({"life": history.lives, "touch": history.touches, "ask": history.asks,
                 "answer": history.answers}[kind][0], member, value)
    return history


def with_another(history, born, marked=None, done=True):
    """Another process of the number, which was there before or comes later."""
    history = copy.deepcopy(history)
    history.lives.append(Life("o", 7, 2, (born * MS, (born + 1) * MS), ((born + 8) * MS, (born + 9) * MS)))
    if marked is not None:
        history.touches.append(Touch("o", 7, "create", marked * MS, (marked + 1) * MS, done, marks=True))
    return history


def disturbed(history, kind, begin, end):
    history = copy.deepcopy(history)
    getattr(history, kind).append((begin * MS, end * MS, "test"))
    return history


def forgotten(history):
    """The daemon says pending after it has said ready."""
    history = change(history, ask_way="wire-wait")
    history.touches.append(Touch("w", 7, "remove", 52 * MS, 53 * MS, True))
    history.asks.append(Ask(1, "wire-wait", "w", 60 * MS, 10 * MS))
    history.answers.append(Answer(1, 80 * MS, "pending", 7, {"reason": "deadline"}))
    return history


def flashed(history, what, private=True):
    """Something was there for a moment."""
    history = copy.deepcopy(history)
    history.private = private
    history.touches = [Touch("w", 7, what, 20 * MS, 21 * MS, True), Touch("w", 7, "clear", 22 * MS, 23 * MS, True)]
    return history


HOLDS = {
    "ready by a fifo that no look has seen": flashed(base(), "fifo"),
    "ready": base(),
    "exited": base("exited", 150, status="0"),
    "exited by the marker of an earlier one, if only the number is known": with_another(
        unmarked("exited", 150, start="0"), 0, 1),
    "died": unmarked("died", 150),
    "pending at the deadline": change(unmarked("pending", 90, reason="deadline"), ask_timeout=50 * MS),
    "a marker may have come at the same moment": change(base(), touch_began=50 * MS, touch_ended=52 * MS),
    "a marker of which it is not known whether it came": change(base(), touch_done=None, touch_ended=None),
    "stale for a leftover": with_another(unmarked("stale"), 0, 1),
    "age assumed of a young leftover": with_another(unmarked(age="assumed"), 0, 1),
    "unreachable while the directory is away": disturbed(unmarked("unreachable"), "directory", 40, 60),
    "pending while the marker is hidden": disturbed(base("pending"), "directory", 40, 60),
    "an error while the daemon is down": change(disturbed(unmarked("error"), "daemon", 40, 60), ask_way="no-fallback"),
    "died though the marker was removed": History(**{**vars(base("died", 150)), "touches": base().touches + [
        Touch("w", 7, "remove", 60 * MS, 61 * MS, True)]}),
    "died though the number is another's": with_another(base("died", 150), 120),
    "forgotten by another daemon": disturbed(forgotten(base()), "daemon", 54, 55),
}
BROKEN = {
    "no moment at which": {
        "ready without a marker": unmarked(),
        "ready before the marker": change(base(), touch_began=51 * MS, touch_ended=52 * MS),
        "ready by a marker that could not be made": change(base(), touch_done=False),
        "ready by a leftover": with_another(unmarked(), 0, 1),
        "ready by an old leftover, with its age assumed": change(
            with_another(unmarked(age="assumed", at=950), 0, 1), life_born=(900 * MS, 901 * MS),
            life_ended=(1000 * MS, 1001 * MS), ask_asked=910 * MS),
        "ready by a fifo where others can write": flashed(base(), "fifo", private=False),
        "ready by a directory": flashed(base(), "directory"),
        "ready by something else": change(base(), touch_marks=False),
        "ready by a marker that came after its end": change(base(at=200), touch_began=120 * MS, touch_ended=121 * MS,
                                                            ask_asked=95 * MS),
    },
    "it was dead before the question": {"ready though dead": change(base(at=150), ask_asked=120 * MS)},
    "it was alive": {"died though alive": unmarked("died"), "exited though alive": base("exited")},
    "it never had a marker": {"exited without a marker": unmarked("exited", 150),
                              "exited by the marker of an earlier one": with_another(
                                  unmarked("exited", 150, start="1"), 0, 1),
                              "exited by the marker of one that lives": change(
                                  with_another(unmarked("exited", 112), 105, 107), answer_at=112 * MS)},
    "it had its marker when it died": {"died with a marker": base("died", 150)},
    "before the deadline": {"too early": unmarked("pending", 50, reason="deadline")},
    "it was dead": {"pending though dead": change(unmarked("pending", 1040, reason="deadline"), ask_way="file")},
    "its marker was there": {
        "pending with a marker": base("pending"),
        "pending with a marker at the deadline": change(base("pending", 90, reason="deadline"), ask_timeout=50 * MS)},
    "no other process could have left": {"stale by its own marker alone": unmarked("stale")},
    "its own marker was there": {"stale with its own marker": with_another(base("stale"), 0, 1)},
    "nothing was wrong with the directory": {"unreachable": unmarked("unreachable")},
    "nothing was wrong with the daemon": {"an error with a fallback": disturbed(base("error"), "daemon", 40, 60),
                                          "an error": change(base("error"), ask_way="no-fallback")},
    "its end was status=0": {"another status": base("exited", 150, status="3")},
    "it has the start 1": {"an unknown start": base(start="5"),
                           "the start of another that was not meant": change(
                               with_another(base(start="2"), 40), ask_by_number=False)},
    "no answer": {"no answer": History(**{**vars(base()), "answers": []})},
    "the daemon has said that it is ready": {"forgotten": forgotten(base())},
}


def main():
    bad = 0
    for name, history in HOLDS.items():
        faults = judge(history)
        if faults:
            bad += 1
            print(f"{name}: {faults}")
    for text, histories in BROKEN.items():
        for name, history in histories.items():
            faults = judge(history)
            if not any(text in fault for fault in faults):
                bad += 1
                print(f"{name}: not '{text}', but {faults}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
