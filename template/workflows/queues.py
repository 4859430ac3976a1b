"""The task queues. A workflow asks for an activity on another queue than its own by name."""


def mail(task_queue: str) -> str:
    """The queue of activities that wait for a mail server.

    A worker has threads of its own for it, so that a mail server that hangs holds up nothing else.
    """
    return f"{task_queue}-mail"
