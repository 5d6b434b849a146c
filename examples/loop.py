"""A waiter in asyncio's loop, beside other tasks."""

import asyncio
import sys

import readyd


async def main(pid: int) -> int:
    try:
        answer = await readyd.wait_async(pid, timeout=60)
    except readyd.NotReady as error:
        answer = error.answer
    print(answer.verdict, answer.pid)
    return 0 if answer.ready else 1


sys.exit(asyncio.run(main(int(sys.argv[1]))))
