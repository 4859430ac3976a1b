"""Sends e-mails with smtplib alone, 20 at a time: `python mail_senders.py PORT COUNT`."""

import smtplib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

port, count = int(sys.argv[1]), int(sys.argv[2])
message = EmailMessage()
message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "News"
message.set_content("Hi Ada,\n\nthere is something new.\n")


def send(_: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(message)


start = time.perf_counter()
with ThreadPoolExecutor(20) as pool:
    list(pool.map(send, range(count)))
print(count / (time.perf_counter() - start))
