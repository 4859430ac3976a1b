"""A mail server that takes everything: `python mail_stub.py PORT SECONDS FILE`.

It answers to a message after so many seconds, and keeps the number of messages in FILE.
"""

import asyncio
import os
import sys
from pathlib import Path

port, answer, file = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
taken = 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global taken
    writer.write(b"220 ready\r\n")
    while line := await reader.readline():
        command = line[:4].upper()
        if command == b"DATA":
            writer.write(b"354 go on\r\n")
            await reader.readuntil(b"\r\n.\r\n")
            await asyncio.sleep(answer)
            taken += 1
        writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
        if command == b"QUIT":
            break
    writer.close()


async def main() -> None:
    file.write_text("0")
    await asyncio.start_server(serve, "127.0.0.1", port, backlog=200)
    while True:
        await asyncio.sleep(0.1)
        new = file.with_suffix(".new")
        new.write_text(str(taken))
        os.replace(new, file)


asyncio.run(main())
